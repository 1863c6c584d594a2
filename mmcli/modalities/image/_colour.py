"""Converts images of any mode and colour space to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mmcli.modalities.image._levels import float_levels, whole_levels
from mmcli.modalities.notices import notice

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

_LARGEST_PROFILE = 4 * 2**20
_MODES = {"RGB": ("RGB", "RGBA"), "GRAY": ("L",), "CMYK": ("CMYK",)}
_SAME = 1  # levels by which an image may differ from sRGB without being converted
_STEPS = 9


def to_colour(image: Image, profile: bytes, *, of_colours: bool = False) -> Image:
    """Return the image in RGB, or in RGBA if it has transparency, with its colour profile applied.

    A profile that cannot be applied is ignored, with a notice.

    Args:
        image: In any mode, loaded.
        profile: An ICC profile; empty if the pixels are sRGB.
        of_colours: The profile also applies to grey levels, as colours with equal red, green and blue.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_bytes(image)
    image = _in_simple_mode(image)
    if image.mode == "LAB":
        return _lab_to_srgb().apply(image)
    if profile:
        if of_colours and image.mode in ("L", "LA"):
            image = image.convert("RGB" if image.mode == "L" else "RGBA")
        transform, problem = _to_srgb(profile, image.mode)
        if problem:
            notice(f"a colour profile is not applied ({problem})")
        if transform is not None:
            return _apply(transform, image)
    return _in_mode(image, "RGBA" if image.mode in ("LA", "RGBA") else "RGB")


def _in_simple_mode(image: Image) -> Image:
    """Return an image in L, LA, RGB, RGBA, CMYK or LAB."""
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode in ("LAB", "LA", "RGBA"):
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "CMYK") else _in_mode(image, "RGB")


def _in_mode(image: Image, mode: str) -> Image:
    return image if image.mode == mode else image.convert(mode)


def _apply(transform: ImageCmsTransform, image: Image) -> Image:
    if image.mode != "LA":
        return transform.apply(image)
    grey, alpha = image.split()
    colours = transform.apply(grey)
    colours.putalpha(alpha)
    return colours


@lru_cache(maxsize=1)
def _lab_to_srgb() -> ImageCmsTransform:
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> tuple[ImageCmsTransform | None, str]:
    """Return the transform from a profile to sRGB, or the reason why it cannot be applied.

    Neither if the pixels are sRGB already; the profile's numbers decide that, not its name.
    """
    from PIL import ImageCms

    mode = "L" if mode == "LA" else mode
    if len(profile) > _LARGEST_PROFILE:
        return None, f"it is larger than {_LARGEST_PROFILE} bytes"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        target = ImageCms.createProfile("sRGB")
        if space == "RGB" and mode == "L":
            same = ImageCms.buildTransform(source, target, "RGB", "RGB")
            return None, "" if _changes_nothing(same, "L") else "it is one of RGB on a grey image"
        if mode not in _MODES.get(space, ()):
            return None, f"it is one of {space} on an image in {mode}"
        # LittleCMS would convert a table into its own faster table, which is coarse for dark and pure colours.
        exact = space == "RGB" and not source.profile.is_matrix_shaper
        flags = ImageCms.Flags.NOOPTIMIZE if exact else ImageCms.Flags.NONE
        shown = "RGBA" if mode == "RGBA" else "RGB"
        transform = ImageCms.buildTransform(source, target, mode, shown, flags=flags)
        return (None if mode != "CMYK" and _changes_nothing(transform, mode) else transform), ""
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None, "it is damaged"


def _changes_nothing(transform: ImageCmsTransform, mode: str) -> bool:
    """Return whether a transform keeps colours from all over the space unchanged."""
    from PIL import Image as pil

    if mode == "L":
        levels = np.arange(256, dtype=np.uint8)[None]
        colours = np.repeat(levels[..., None], 3, axis=2)
        pixels = pil.fromarray(levels if transform.input_mode == "L" else colours)
    else:
        steps = np.rint(np.linspace(0, 255, _STEPS)).astype(np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        pixels = pil.fromarray(colours).convert(mode)
    shown = np.asarray(transform.apply(pixels).convert("RGB")).astype(int)
    return bool(np.abs(shown - colours).max() <= _SAME)


def _to_bytes(image: Image) -> Image:
    """Scale grey levels to 8 bits, from 16 bits or from float in 0..1 or 0..255."""
    from PIL import Image as pil

    values = np.asarray(image)
    if image.mode == "F":
        return pil.fromarray(float_levels(values))
    return pil.fromarray(whole_levels(values, 16))
