"""Prepares stored pixels for pretrained networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def scale_pixels(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Scale pixels (..., 3, H, W) from 0..255 to 0..1, then standardise them with this mean and deviation; float32.

    Args:
        pixels: uint8 or float.
        mean: Mean of each channel.
        std: Standard deviation of each channel.
    """
    offset, scale = (torch.tensor(values, device=pixels.device).mul(255).view(3, 1, 1) for values in (mean, std))
    return (pixels.float() - offset) / scale


def resize_pixels(pixels: Tensor, height: int, width: int, mode: str = "bicubic") -> Tensor:
    """Resize pixels to (B, 3, ``height``, ``width``), from 0 to 255, float32, with antialiasing.

    Args:
        pixels: (B, 3, H, W) uint8.
        height: Target height.
        width: Target width.
        mode: ``bicubic`` or ``bilinear``.
    """
    if pixels.shape[-2:] == (height, width):
        return pixels.float()
    resized = torch.nn.functional.interpolate(
        pixels.float(), size=(height, width), mode=mode, align_corners=False, antialias=True
    )
    return resized.clamp(0, 255)
