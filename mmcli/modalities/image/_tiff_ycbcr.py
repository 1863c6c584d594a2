"""Uncompressed TIFFs of luma and subsampled chroma, whose samples Pillow takes for whole pixels.

Source: TIFF, Revision 6.0 (1992), section 21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.image._tiff_tags import Tags, first_page, number_of, numbers_of
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS = 256, 257, 258, 259, 262, 273
_ORIENTATION, _SAMPLES, _ROWS, _PLANAR, _PROFILE = 274, 277, 278, 284, 34675
_COEFFICIENTS, _SUBSAMPLING, _REFERENCE = 529, 530, 532
_YCBCR = 6
_LUMA = (299, 1000, 587, 1000, 114, 1000)
_FULL_RANGE = (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1)


def plain_ycbcr(content: bytes) -> Tags | None:
    """Return the tags of a TIFF with uncompressed luma and chroma in strips; None for any other.

    Raises:
        Exception: Any; the content may be damaged.
    """
    tags = first_page(content)
    form = (number_of(tags, _PHOTOMETRIC), number_of(tags, _COMPRESSION, 1), number_of(tags, _PLANAR, 1))
    is_plain = form == (_YCBCR, 1, 1) and number_of(tags, _SAMPLES, 1) == 3 and {*numbers_of(tags, _BITS)} == {8}
    return tags if is_plain and _OFFSETS in tags else None


def size_of(tags: Tags) -> tuple[int, int]:
    """Return width and height."""
    return number_of(tags, _WIDTH), number_of(tags, _HEIGHT)


def read_ycbcr(content: bytes, tags: Tags) -> Image:
    """Return the first page in RGB, with its profile and orientation.

    Raises:
        UnusableError: ``corrupt`` if pixels are missing.
    """
    from PIL import Image as pil

    width, height = size_of(tags)
    across, down = numbers_of(tags, _SUBSAMPLING, (2, 2))
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        raise UnusableError("corrupt", "damaged TIFF: chroma of a part of a pixel that cannot be")
    strip = min(number_of(tags, _ROWS, height), height)
    pixels = np.empty((height, width, 3), np.uint8)
    for top, start in zip(range(0, height, strip), numbers_of(tags, _OFFSETS), strict=False):
        rows = min(strip, height - top)
        units = (-(-rows // down), -(-width // across), down * across + 2)
        if start + np.prod(units, dtype=np.int64) > len(content):
            raise UnusableError("corrupt", "truncated TIFF")
        stored = np.frombuffer(content, np.uint8, units[0] * units[1] * units[2], start).reshape(units)
        luma = stored[..., :-2].reshape(*units[:2], down, across).swapaxes(1, 2).reshape(units[0] * down, -1)
        chroma = stored[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
        pixels[top : top + rows] = _to_rgb(luma[:rows, :width], chroma[:rows, :width], tags)
    if strip * len(numbers_of(tags, _OFFSETS)) < height:
        raise UnusableError("corrupt", "truncated TIFF")
    image = pil.fromarray(pixels)
    image.info = {"icc_profile": bytes(tags.get(_PROFILE, b""))}
    image.getexif()[_ORIENTATION] = number_of(tags, _ORIENTATION, 1)
    return image


def _to_rgb(luma: Array, chroma: Array, tags: Tags) -> Array:
    red, green, blue = _fractions(tags, _COEFFICIENTS, _LUMA)
    ends = _fractions(tags, _REFERENCE, _FULL_RANGE).reshape(3, 2)
    spans = np.array([255, 127, 127], np.float32) / (ends[:, 1] - ends[:, 0])
    y, cb, cr = (
        (part - low) * span
        for part, low, span in zip((luma, chroma[..., 0], chroma[..., 1]), ends[:, 0], spans, strict=True)
    )
    r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
    g = (y - blue * b - red * r) / green
    return np.clip(np.stack([r, g, b], axis=-1) + 0.5, 0, 255).astype(np.uint8)


def _fractions(tags: Tags, tag: int, default: tuple[int, ...]) -> Array:
    numbers = np.array(numbers_of(tags, tag, default), np.float32)
    if len(numbers) != len(default):
        numbers = np.array(default, np.float32)
    return numbers[::2] / numbers[1::2]
