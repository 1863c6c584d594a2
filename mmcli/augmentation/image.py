"""Random changes of images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmcli.augmentation._colour import brightness, contrast, saturation
from mmcli.augmentation._rand_augment import rand_augment
from mmcli.augmentation._warp import crop_matrices, flipped, rotation, signed, warp

Inputs = tuple[Tensor, ...]
_MOST_TURN = 30.0  # degrees
_MOST_COLOUR = 0.8


def crop(inputs: Inputs, strength: float) -> Inputs:
    """Enlarge a window of at least 1 - 0.4 * strength of each side to the full image."""
    images, *rest = inputs
    return (warp(images, crop_matrices(len(images), strength, images.device)), *rest)


def flip(inputs: Inputs, strength: float) -> Inputs:
    """Flip half of the images horizontally; fewer below a strength of 0.5."""
    images, *rest = inputs
    mirrored = flipped(len(images), strength, images.device).view(-1, 1, 1, 1)
    return (torch.where(mirrored, images.flip(3), images), *rest)


def rotate(inputs: Inputs, strength: float) -> Inputs:
    """Rotate each image by up to 30 degrees in either direction."""
    images, *rest = inputs
    turns = signed(len(images), images.device) * math.radians(_MOST_TURN * strength)
    return (warp(images, rotation(turns, images.shape[2] / images.shape[3])), *rest)


def color(inputs: Inputs, strength: float) -> Inputs:
    """Change brightness, contrast and saturation by up to 80% each."""
    images, *rest = inputs
    values = images.float()
    for change in (brightness, contrast, saturation):
        values = change(values, 1 + signed(len(images), images.device) * (_MOST_COLOUR * strength))
    return (values.round().to(torch.uint8), *rest)


OPERATIONS = {"crop": crop, "flip": flip, "rotate": rotate, "color": color, "rand_augment": rand_augment}
