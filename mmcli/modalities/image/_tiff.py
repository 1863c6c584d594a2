"""Reads TIFF files that Pillow rejects or reads wrongly: any bit depth, separate planes, palettes, alpha.

Source: TIFF, Revision 6.0 (1992); Adobe Photoshop TIFF Technical Notes (2002), technical note 3 (2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.image._levels import float_levels, whole_levels
from mmcli.modalities.image._tiff_samples import COMPRESSIONS, Coding, samples_of
from mmcli.modalities.image._tiff_tags import Tags, first_page, is_big_endian, number_of, numbers_of
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _COUNTS, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _COLOUR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 317, 320, 322, 323, 324, 325
_EXTRA, _FORMAT, _PROFILE = 338, 339, 34675
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _LAB = 0, 1, 2, 3, 5, 8
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _LAB: 3}
_UNSIGNED, _SIGNED, _FLOAT, _UNTYPED = 1, 2, 3, 4
_ASSOCIATED, _UNASSOCIATED = 1, 2
_DEPTHS = {_UNSIGNED: (*range(1, 17), 24, 32), _SIGNED: (8, 16, 32), _FLOAT: (16, 24, 32, 64)}
_MOST_SAMPLES = 6
_BIG_NUMBERS = b"MM\0+"


@dataclass(frozen=True)
class Layout:
    """The pixel layout of a TIFF.

    Args:
        size: Width and height in pixels.
        photometric: TIFF's code for the meaning of the samples.
        alpha: Which of the extra samples is alpha, and its kind; None if none is.
        tags: All tags of the first page.
        coding: How the samples are stored.
        of_big_numbers: A big-endian BigTIFF, which Pillow never opens.
    """

    size: tuple[int, int]
    photometric: int
    alpha: tuple[int, int] | None
    tags: Tags
    coding: Coding
    of_big_numbers: bool

    @property
    def is_plain(self) -> bool:
        """Return whether Pillow reads it as well: whole bytes or single bits, and no alpha."""
        coding = self.coding
        return (
            (coding.bits == 8 or (coding.bits == 1 and coding.samples == 1))
            and coding.kind == _UNSIGNED
            and coding.samples == _COLOURS[self.photometric]
            and self.photometric != _PALETTE
            and number_of(self.tags, _PLANAR, 1) == 1
            and not coding.reverse
            and not self.of_big_numbers
        )


def tiff_layout(content: bytes) -> Layout | None:
    """Return the pixel layout of a TIFF; None if Pillow knows more about it than this reader.

    Raises:
        Exception: Any; the content may be damaged.
    """
    tags = first_page(content)
    bits, formats = numbers_of(tags, _BITS, (1,)), numbers_of(tags, _FORMAT, (1,))
    photometric, compression = number_of(tags, _PHOTOMETRIC), number_of(tags, _COMPRESSION, 1)
    samples = number_of(tags, _SAMPLES, 1)
    kind = _UNSIGNED if formats[0] == _UNTYPED else formats[0]
    if len({*bits}) > 1 or len({*formats}) > 1 or photometric not in _COLOURS or compression not in COMPRESSIONS:
        return None
    if bits[0] not in _DEPTHS.get(kind, ()) or not _COLOURS[photometric] <= samples <= _MOST_SAMPLES:
        return None
    if photometric == _LAB and (bits[0], kind) not in ((16, _UNSIGNED), (16, _SIGNED)):
        return None
    if photometric == _PALETTE and (kind != _UNSIGNED or bits[0] > 16):
        return None
    width, height = number_of(tags, _WIDTH), number_of(tags, _HEIGHT)
    tiled = _TILE_OFFSETS in tags
    offsets = numbers_of(tags, _TILE_OFFSETS if tiled else _OFFSETS, ())
    counts = numbers_of(tags, _TILE_COUNTS if tiled else _COUNTS, ())
    rows = number_of(tags, _TILE_HEIGHT) if tiled else min(number_of(tags, _ROWS, height), height)
    coding = Coding(
        bits=bits[0], kind=kind, samples=samples, big_endian=is_big_endian(content), compression=compression,
        reverse=number_of(tags, _FILL_ORDER, 1) == 2, predictor=number_of(tags, _PREDICTOR, 1),
        planes_apart=samples > 1 and number_of(tags, _PLANAR, 1) == 2, tiled=tiled,
        block=(number_of(tags, _TILE_WIDTH) if tiled else width, rows), offsets=offsets,
        counts=counts or _until_the_next(offsets, len(content)),
    )  # fmt: skip
    extra = numbers_of(tags, _EXTRA, (_UNASSOCIATED,) if photometric == _RGB and samples == 4 else ())
    alphas = [
        (_COLOURS[photometric] + at, what) for at, what in enumerate(extra) if what in (_ASSOCIATED, _UNASSOCIATED)
    ]
    alpha = alphas[0] if alphas and alphas[0][0] < samples and photometric != _LAB else None
    return Layout((width, height), photometric, alpha, tags, coding, content.startswith(_BIG_NUMBERS))


def read_tiff(content: bytes, layout: Layout) -> Image:
    """Return the first page of a TIFF in L, RGB, RGBA, CMYK or LAB, with its profile and orientation.

    Raises:
        UnusableError: ``corrupt`` if pixels are missing, ``skipped`` if their levels are not those of a picture.
    """
    wanted = (*range(_COLOURS[layout.photometric]), *([layout.alpha[0]] if layout.alpha else []))
    values = samples_of(content, layout.coding, layout.size, wanted)
    if layout.photometric == _LAB:
        image = _lab(values)
    elif layout.photometric == _PALETTE:
        image = _of_palette(values, _colour_map(layout), layout.coding.bits)
    else:
        image = _picture(_levels(values, layout.coding), layout)
    image.info = {"icc_profile": bytes(layout.tags.get(_PROFILE, b""))}
    image.getexif()[_ORIENTATION] = number_of(layout.tags, _ORIENTATION, 1)
    return image


def refusal(content: bytes) -> str | None:
    """Return what makes a TIFF unreadable here; None if it should be readable, or its tags are damaged."""
    try:
        if tiff_layout(content) is not None:
            return None
        tags = first_page(content)
        bits = "+".join(str(number) for number in numbers_of(tags, _BITS, (1,))[:5])
        kind = f"photometric {number_of(tags, _PHOTOMETRIC)}, compression {number_of(tags, _COMPRESSION, 1)}"
        samples = number_of(tags, _SAMPLES, 1)
    except Exception:  # damaged bytes raise anything
        return None
    return f"a TIFF of {samples} samples of {bits} bits, {kind}, cannot be read: convert it to PNG"


def _until_the_next(offsets: tuple[int, ...], end: int) -> tuple[int, ...]:
    """Return the maximum bytes of each block if the file does not give them."""
    ends = (*sorted(offsets)[1:], end)
    following = dict(zip(sorted(offsets), ends, strict=True))
    return tuple(following[offset] - offset for offset in offsets)


def _levels(values: Array, coding: Coding) -> Array:
    if coding.kind == _FLOAT:
        return float_levels(values)
    return whole_levels(values, coding.bits, signed=coding.kind == _SIGNED)


def _picture(levels: Array, layout: Layout) -> Image:
    from PIL import Image as pil

    colours = levels[..., : _COLOURS[layout.photometric]]
    alpha = levels[..., -1:] if layout.alpha else None
    if layout.photometric == _CMYK:
        inks = pil.fromarray(np.ascontiguousarray(colours), "CMYK")
        if alpha is None:
            return inks
        picture = inks.convert("RGB")
        picture.putalpha(pil.fromarray(np.ascontiguousarray(alpha[..., 0])))
        return picture
    if alpha is not None and layout.alpha and layout.alpha[1] == _ASSOCIATED:
        colours = _divided(colours, alpha)
    if layout.photometric == _WHITE_IS_ZERO:
        colours = 255 - colours
    if alpha is None:
        return pil.fromarray(np.ascontiguousarray(colours[..., 0] if colours.shape[2] == 1 else colours))
    return pil.fromarray(np.ascontiguousarray(np.concatenate([colours, alpha], axis=2)))


def _divided(colours: Array, alpha: Array) -> Array:
    """Undo the multiplication of colours by alpha."""
    divided = np.zeros(colours.shape, np.uint8)
    for row, (colour, weight) in enumerate(zip(colours, alpha, strict=True)):
        divided[row] = np.clip((colour * 255.0) / np.maximum(weight, 1) + 0.5, 0, 255)
    return divided


def _lab(values: Array) -> Image:
    from PIL import Image as pil

    light = (values[..., :1].astype(np.uint16) / 257 + 0.5).astype(np.uint8)
    signed = np.clip(np.rint(values[..., 1:].astype(np.uint16).view(np.int16) / 256), -128, 127).astype(np.int8)
    pixels = np.concatenate([light, signed.view(np.uint8)], axis=2)
    return pil.frombytes("LAB", (values.shape[1], values.shape[0]), pixels.tobytes(), "raw", "LAB")


def _colour_map(layout: Layout) -> Array:
    """Return the palette, (levels, 3) uint8; some programs write 8-bit values instead of 16-bit ones."""
    colours = np.array(numbers_of(layout.tags, _COLOUR_MAP, ()), np.uint16)
    levels = 2**layout.coding.bits
    if len(colours) != 3 * levels:
        raise UnusableError("corrupt", f"damaged TIFF: a palette of {len(colours)} numbers, expected {3 * levels}")
    shift = 0 if colours.max(initial=0) < 256 else 8  # right for 8 bits times 256 and times 257
    return (colours.reshape(3, levels).T >> shift).astype(np.uint8)


def _of_palette(values: Array, palette: Array, bits: int) -> Image:
    from PIL import Image as pil

    pixels = palette[values[..., 0]]
    if values.shape[2] > 1:
        pixels = np.concatenate([pixels, whole_levels(values[..., 1:], bits)], axis=2)
    return pil.fromarray(pixels)
