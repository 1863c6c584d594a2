"""PNG features that Pillow ignores: a transparent colour at the file's own depth, and colour space chunks."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np

from mmcli.modalities.image._colour_space import ColourSpace, code_point_space, space_of
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_GREY, _RGB = 0, 2
_SIGNATURE_BYTES = 8
_EXACT = 100_000  # the unit of gAMA and cHRM


def show_key(image: Image, content: bytes) -> Image:
    """Add alpha to a loaded grey or RGB PNG in which one level or colour is transparent.

    The key is compared at the file's depth; Pillow compares it with levels already scaled to 8 bits.
    """
    from PIL import Image as pil

    depth, colour = content[24], content[25]
    key = chunks(content).get(b"tRNS", b"")
    levels = tuple(level & (2**depth - 1) for level in struct.unpack(f">{len(key) // 2}H", key[: len(key) // 2 * 2]))
    stored: Array
    if (colour, len(levels)) not in ((_GREY, 1), (_RGB, 3)):
        return image
    if colour == _GREY and depth == 16:
        stored = np.asarray(image).astype(np.int64)
    elif depth == 16:
        stored = np.asarray(image).astype(np.uint16) * 256 + _low_bytes(content)
    else:
        levels = tuple(level * 255 // (2**depth - 1) for level in levels)
        stored = np.asarray(_without_key(image).convert("L") if colour == _GREY else image)
    transparent = (stored.reshape(image.height, image.width, -1) == levels).all(axis=2)
    alpha = pil.fromarray(np.where(transparent, 0, 255).astype(np.uint8))
    if colour == _GREY:
        grey = pil.fromarray((stored * (255 / 65535) + 0.5).astype(np.uint8)) if depth == 16 else image.convert("L")
        grey.info, image = image.info, grey
    image.info.pop("transparency", None)
    image.putalpha(alpha)
    return image


def _without_key(image: Image) -> Image:
    copy = image.copy()
    copy.info = {}
    return copy


def _low_bytes(content: bytes) -> Array:
    """Return the low bytes of 16-bit RGB, (H, W, 3), which Pillow drops unless given another byte order."""
    from PIL import Image as pil

    with pil.open(io.BytesIO(content), formats=("PNG",)) as image:
        image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
        return np.asarray(image)


def chunks(content: bytes) -> dict[bytes, bytes]:
    """Return the chunks before a PNG's pixels by name; the first of each name."""
    found: dict[bytes, bytes] = {}
    position = _SIGNATURE_BYTES
    while position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        if name == b"IDAT":
            break
        found.setdefault(name, content[position + 8 : position + 8 + length])
        position += 12 + length
    return found


def colour_space(content: bytes) -> ColourSpace | None:
    """Return the colour space given by chunks, sRGB by default; None if an ICC profile applies.

    Source: Portable Network Graphics (PNG) Specification, Third Edition (2025), 4.3: cICP, then iCCP, sRGB, gAMA.
    """
    found = chunks(content)
    code = found.get(b"cICP", b"")
    if len(code) == 4:
        return code_point_space(code[0], code[1])
    if b"iCCP" in found or b"sRGB" in found or len(found.get(b"gAMA", b"")) != 4:
        return None
    gamma = int.from_bytes(found[b"gAMA"], "big") / _EXACT
    points = found.get(b"cHRM", b"")
    places = struct.unpack(">8I", points) if len(points) == 32 else ()
    return space_of(gamma, tuple(place / _EXACT for place in places))
