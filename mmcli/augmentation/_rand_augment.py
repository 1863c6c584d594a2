"""RandAugment: two random changes per image."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor

from mmcli.augmentation._colour import brightness, contrast, saturation, sharpness
from mmcli.augmentation._warp import identity, rotation, warp

Inputs = tuple[Tensor, ...]
_CHANGES = 2
_MOST_TURN = math.radians(30)
_MOST_SHEAR = 0.3
_MOST_SHIFT = 0.9  # of half a side
_MOST_COLOUR = 0.9
_MOST_BITS = 4


def rand_augment(inputs: Inputs, strength: float) -> Inputs:
    """Apply two of 14 geometric and colour changes, drawn for each image; the strength is their magnitude.

    Source: Cubuk et al. 2020, RandAugment, section 3; its 14 changes, with torchvision's maximum magnitudes.
    """
    images, *rest = inputs
    for _ in range(_CHANGES):
        drawn = torch.randint(len(_TABLE), (len(images),), device=images.device)
        changed = images.clone()
        for number, change in enumerate(_TABLE):
            rows = (drawn == number).nonzero().squeeze(1)
            if len(rows):
                signs = torch.where(torch.rand(len(rows), device=images.device) < 0.5, -strength, strength)
                changed[rows] = change(images[rows], signs)
        images = changed
    return (images, *rest)


def _stay(images: Tensor, magnitudes: Tensor) -> Tensor:
    del magnitudes
    return images


def _turn(images: Tensor, magnitudes: Tensor) -> Tensor:
    return warp(images, rotation(magnitudes * _MOST_TURN, images.shape[2] / images.shape[3]))


def _move(row: int, column: int, most: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a shear, or a shift if ``column`` is 2, along the axis ``row``: 0 is x, 1 is y."""

    def change(images: Tensor, magnitudes: Tensor) -> Tensor:
        matrices = identity(len(images), images.device)
        matrices[:, row, column] = magnitudes * most
        return warp(images, matrices)

    return change


def _recolour(blend: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def change(images: Tensor, magnitudes: Tensor) -> Tensor:
        return blend(images.float(), 1 + magnitudes * _MOST_COLOUR).round().to(torch.uint8)

    return change


def _posterize(images: Tensor, magnitudes: Tensor) -> Tensor:
    bits = (magnitudes.abs() * _MOST_BITS).round().to(torch.uint8).view(-1, 1, 1, 1)
    return (images >> bits) << bits


def _solarize(images: Tensor, magnitudes: Tensor) -> Tensor:
    threshold = (255 * (1 - magnitudes.abs())).view(-1, 1, 1, 1)
    return torch.where(images > threshold, 255 - images, images)


def _stretch(images: Tensor, magnitudes: Tensor) -> Tensor:
    del magnitudes
    stretched: Tensor = torchvision.transforms.functional.autocontrast(images)
    return stretched


def _equalize(images: Tensor, magnitudes: Tensor) -> Tensor:
    del magnitudes
    equalized: Tensor = torchvision.transforms.functional.equalize(images)
    return equalized


_TABLE: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    _stay, _turn, _move(0, 1, _MOST_SHEAR), _move(1, 0, _MOST_SHEAR), _move(0, 2, _MOST_SHIFT),
    _move(1, 2, _MOST_SHIFT), _recolour(brightness), _recolour(contrast), _recolour(saturation),
    _recolour(sharpness), _posterize, _solarize, _stretch, _equalize,
)  # fmt: skip
