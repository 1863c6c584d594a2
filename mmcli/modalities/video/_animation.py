"""Animated WebP files, which FFmpeg cannot read: frames from Pillow, times from the file's chunks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.video._in_order import Sequenced
from mmcli.modalities.video._packets import MOST_FRAMES
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_ANIMATED = 0x02
_FIRST_CHUNK = 12
_TOO_SHORT, _INSTEAD = 10, 100  # milliseconds: shorter durations are replaced, as players do


def is_animated_webp(content: bytes) -> bool:
    """Return whether a file is an animated WebP."""
    return (
        content.startswith(b"RIFF")
        and content[8:16] == b"WEBPVP8X"
        and bool(int.from_bytes(content[20:21], "big") & _ANIMATED)
    )


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height of an animated WebP in pixels."""
    width, height = (1 + int.from_bytes(content[start : start + 3], "little") for start in (24, 27))
    return width, height


def read_times(content: bytes) -> Sequenced:
    """Return the display times of an animated WebP's frames.

    Raises:
        UnusableError: ``corrupt`` if there are none, ``skipped`` if there are too many.
    """
    durations = []
    position = _FIRST_CHUNK
    while position + 8 <= len(content):
        if content.startswith(b"ANMF", position):
            told = int.from_bytes(content[position + 20 : position + 23], "little")
            durations.append(told if told > _TOO_SHORT else _INSTEAD)
            if len(durations) > MOST_FRAMES:
                raise UnusableError("skipped", f"more than {MOST_FRAMES} frames")
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    if not durations:
        raise UnusableError("corrupt", "0 frames")
    ends = np.cumsum(durations)
    return Sequenced(ends - durations, int(ends[-1]), Fraction(1, 1000))


def animated_pictures(content: bytes, wanted: Array) -> Iterator[Image]:
    """Yield the pictures with these increasing numbers, in RGBA; their size must have been checked.

    Raises:
        Exception: Any; Pillow fails unpredictably on invalid bytes.
    """
    from PIL import Image as pil

    width, height = size_of(content)
    pil.MAX_IMAGE_PIXELS = max(pil.MAX_IMAGE_PIXELS or 0, width * height)  # never lower: other threads may need it
    with pil.open(io.BytesIO(content), formats=["WEBP"]) as image:
        for number in wanted.tolist():
            image.seek(number)
            yield image.convert("RGBA")
