"""Converts a decoded frame to an upright RGB or RGBA picture with square pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.modalities.video._tones import standard_range, transfer_of
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_SQUARE = (Fraction(1, 4), Fraction(4))  # pixel aspect ratios outside this are damage


def picture(frame: Any, shape: Fraction | None, codec_context: Any) -> Image:
    """Return a frame in RGB or RGBA, upright, with square pixels and standard dynamic range.

    Args:
        frame: The decoded frame.
        shape: Pixel aspect ratio, width by height.
        codec_context: The stream's, which gives the colours.
    """
    from PIL import Image as pil

    transfer = transfer_of(codec_context)
    if transfer is not None:
        pixels = standard_range(frame.to_ndarray(format="rgb48le"), transfer, codec_context)
    else:
        mode = "rgba" if any(part.is_alpha for part in frame.format.components) else "rgb24"
        pixels = frame.to_ndarray(format=mode)
    image = pil.fromarray(pixels)
    if shape and shape != 1 and _SQUARE[0] <= shape <= _SQUARE[1]:
        image = image.resize((max(1, round(image.width * shape)), image.height), pil.Resampling.BILINEAR)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return image if matrix is None else pil.fromarray(_turn(np.asarray(image), np.frombuffer(bytes(matrix), np.int32)))


def _turn(pixels: Array, matrix: Array) -> Array:
    """Rotate and flip pixels (H, W, C) by quarter turns according to FFmpeg's display matrix.

    Args:
        pixels: As stored.
        matrix: (9,): a pixel (x, y) is shown at (a x + c y, b x + d y), for a, b, _, c, d the first five.
    """
    a, b, _, c, d = matrix[:5].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    pixels = pixels[:, ::-1] if a < 0 else pixels
    return np.ascontiguousarray(pixels[::-1] if d < 0 else pixels)
