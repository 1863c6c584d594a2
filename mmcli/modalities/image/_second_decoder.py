"""FFmpeg for images that Pillow decodes wrongly: deep-colour JPEG 2000 (rounded past white) and run-length SGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.containers import open_container

if TYPE_CHECKING:
    from PIL.Image import Image

_CODESTREAM = b"\xff\x4f\xff\x51"
_COMPONENTS = 40
_DEMUXERS = {"JPEG2000": "j2k_pipe", "SGI": "sgi_pipe"}
_ROWS = 256


def is_deep(content: bytes) -> bool:
    """Return whether a JPEG 2000 has several components, one of more than 8 bits."""
    depths = _depths(content)
    return len(depths) > 1 and max(depths) > 8


def _depths(content: bytes) -> list[int]:
    """Return the bit depth of each component of a JPEG 2000.

    Source: ITU-T T.800 (2019), A.5.1.
    """
    start = content.find(_CODESTREAM)
    if start < 0:
        return []
    place = start + _COMPONENTS
    count = int.from_bytes(content[place : place + 2], "big")
    return [(byte & 0x7F) + 1 for byte in content[place + 2 : place + 2 + 3 * count : 3]]


def decoded_by_ffmpeg(image: Image, content: bytes) -> Image:
    """Decode a JPEG 2000 or SGI image that Pillow has opened, to RGB or RGBA.

    Raises:
        UnusableError: ``corrupt`` if FFmpeg finds another size.
        Exception: Any; FFmpeg fails unpredictably on invalid bytes.
    """
    from PIL import Image as pil

    with open_container(content, _DEMUXERS[str(image.format)]) as container:
        frame = next(container.decode(video=0))
    if (frame.width, frame.height) != image.size:
        raise UnusableError("corrupt", f"damaged or truncated {image.format}")
    transparent = any(part.is_alpha for part in frame.format.components)
    if not frame.format.is_rgb:  # FFmpeg assumes television range, which the format does not have
        frame.color_range = 2
        frame.colorspace = 5
    wide = frame.to_ndarray(format="rgba64le" if transparent else "rgb48le")
    white = 65535
    if frame.format.name.startswith("ya16"):  # the only format that FFmpeg leaves at fewer bits
        white = 2 ** max(_depths(content)) - 1
    levels = np.empty(wide.shape, np.uint8)
    for start in range(0, len(wide), _ROWS):
        levels[start : start + _ROWS] = np.minimum(wide[start : start + _ROWS] * np.float32(255 / white) + 0.5, 255)
    picture = pil.fromarray(levels)
    picture.info = image.info
    return picture
