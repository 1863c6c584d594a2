"""Colour changes, each with one factor per image; 1 changes nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LUMA = (0.299, 0.587, 0.114)


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Return images (B, 3, H, W) blended with black."""
    return _blend(images, torch.zeros_like(images), factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with their mean grey."""
    return _blend(images, _grey(images).mean(dim=(1, 2, 3), keepdim=True), factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with their grey versions."""
    return _blend(images, _grey(images), factors)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with their smoothed versions."""
    kernel = torch.tensor([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]], device=images.device) / 13
    padded = nn.functional.pad(images, (1, 1, 1, 1), mode="replicate")
    smooth = nn.functional.conv2d(padded, kernel.expand(images.shape[1], 1, 3, 3), groups=images.shape[1])
    return _blend(images, smooth, factors)


def _grey(images: Tensor) -> Tensor:
    return (images * torch.tensor(_LUMA, device=images.device).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _blend(images: Tensor, other: Tensor, factors: Tensor) -> Tensor:
    shares = factors.view(-1, 1, 1, 1)
    return (images * shares + other * (1 - shares)).clamp(0, 255)
