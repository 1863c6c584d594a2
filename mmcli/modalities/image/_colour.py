"""Brings images of any mode and colour space to RGB as screens show it, sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mmcli.errors import UnusableError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

_LARGEST_PROFILE = 4 * 2**20


def to_colour(image: Image) -> Image:
    """Return the image in RGB, or in RGBA where it has transparency, its colour profile applied."""
    profile = image.info.get("icc_profile") or b""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_bytes(image)
    transparent = image.has_transparency_data
    if image.mode != "LAB" and (transparent or image.mode not in ("L", "CMYK")):
        image = _in_mode(image, "RGBA" if transparent else "RGB")
    if image.mode == "LAB" or 0 < len(profile) <= _LARGEST_PROFILE:
        transform = _to_srgb(profile, image.mode)
        if transform is not None:
            return transform.apply(image)
    return image if transparent else _in_mode(image, "RGB")


def _in_mode(image: Image, mode: str) -> Image:
    return image if image.mode == mode else image.convert(mode)


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCmsTransform | None:
    """Return what converts pixels of a profile to sRGB; None where they are that already, or the profile is damaged.

    Profiles of another mode than the image's count as damaged.
    """
    from PIL import ImageCms

    target = ImageCms.createProfile("sRGB")
    try:
        if mode == "LAB":
            return ImageCms.buildTransform(ImageCms.createProfile("LAB"), target, "LAB", "RGB")
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(source, target, mode, "RGBA" if mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _to_bytes(image: Image) -> Image:
    """Scale grey levels to 8 bits: of 16 bits, or float from 0 to 1 or to 255."""
    from PIL import Image as pil

    values = np.asarray(image).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(values).all():
        raise UnusableError("corrupt", "NaN or infinite pixels")
    limit = 65535.0 if image.mode != "F" else 1.0 if high <= 1 else 255.0
    if low < 0 or high > limit:
        raise UnusableError("skipped", f"grey levels from {low:g} to {high:g}, expected 0 to {limit:g}")
    grey = pil.fromarray((values * (255 / limit) + 0.5).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(pil.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
