"""BMP files of 16 and 32 bits with colour masks of their own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_FIELDS, _ALPHA_FIELDS = 3, 6
_INFO, _INFO_WITH_ALPHA = 40, 56
_ROWS = 256


def masked_bmp(content: bytes) -> tuple[tuple[int, int], tuple[int, ...]] | None:
    """Return the size (width, height) and the masks of red, green, blue and alpha of a BMP with masks, else None."""
    if not content.startswith(b"BM") or len(content) < 70:
        return None
    header, width, height, _, bits, compression = struct.unpack_from("<IiiHHI", content, 14)
    if header < _INFO or compression not in (_FIELDS, _ALPHA_FIELDS) or bits not in (16, 32) or width < 1:
        return None
    with_alpha = header >= _INFO_WITH_ALPHA or compression == _ALPHA_FIELDS
    masks = struct.unpack_from("<4I", content, 54)[: 4 if with_alpha else 3]
    return (width, height), tuple(mask & (2**bits - 1) for mask in masks)


def read_masked_bmp(content: bytes, size: tuple[int, int], masks: tuple[int, ...]) -> Image:
    """Return a BMP in RGB, or in RGBA if it has an alpha mask.

    Raises:
        UnusableError: ``corrupt`` if pixels are missing.
    """
    from PIL import Image as pil

    (start,), (bits,) = struct.unpack_from("<I", content, 10), struct.unpack_from("<H", content, 28)
    width, height = size
    step = (width * bits + 31) // 32 * 4
    if start + step * abs(height) > len(content):
        raise UnusableError("corrupt", "truncated BMP")
    rows = np.frombuffer(content, np.uint8, step * abs(height), start).reshape(abs(height), step)
    masks = masks if len(masks) == 4 and masks[3] else masks[:3]
    levels = np.empty((abs(height), width, len(masks)), np.uint8)
    for first in range(0, abs(height), _ROWS):
        words = np.ascontiguousarray(rows[first : first + _ROWS]).view(f"<u{bits // 8}")[:, :width]
        for channel, mask in enumerate(masks):
            levels[first : first + _ROWS, :, channel] = _under(words, mask)
    return pil.fromarray(np.ascontiguousarray(levels[::-1] if height > 0 else levels))


def _under(words: Array, mask: int) -> Array:
    if not mask:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    return ((words & mask) >> shift) * (255 / (mask >> shift)) + 0.5
