"""Resizing and background, shared by images and video frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mmcli.errors import MmcliError

if TYPE_CHECKING:
    from PIL.Image import Image

Resize = Literal["crop", "pad", "stretch"]


def background_colour(name: str) -> tuple[int, ...]:
    """Return the red, green and blue of a colour name or ``#rrggbb``.

    Raises:
        MmcliError: It is not a colour.
    """
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError:
        raise MmcliError(f"--background {name!r}: expected a colour name or #rrggbb") from None


def flatten(image: Image, background: tuple[int, ...]) -> Image:
    """Composite an RGBA image onto the background, in RGB."""
    from PIL import Image as pil

    if image.mode == "RGB":
        return image
    canvas = pil.new("RGBA", image.size, (*background, 255))
    return pil.alpha_composite(canvas, image).convert("RGB")


def fit(image: Image, size: int, resize: Resize, background: tuple[int, ...]) -> Image:
    """Resize an image to a square.

    Args:
        image: In RGB or RGBA.
        size: Side length in pixels.
        resize: ``crop`` scales the shorter side to ``size`` and keeps the centre, ``pad`` scales the longer side
            and fills with the background, ``stretch`` scales both.
        background: Red, green and blue.
    """
    from PIL import Image as pil

    width, height = image.size
    if (width, height) == (size, size):
        return image
    if resize == "pad":
        scale = size / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        padded = pil.new(image.mode, (size, size), (*background, 255)[: len(image.mode)])
        small = image.resize(inner, pil.Resampling.BICUBIC, reducing_gap=3.0)
        padded.paste(small, ((size - inner[0]) // 2, (size - inner[1]) // 2))
        return padded
    box = (0.0, 0.0, float(width), float(height))
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    return image.resize((size, size), pil.Resampling.BICUBIC, box=box, reducing_gap=3.0)
