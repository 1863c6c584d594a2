"""Random changes of clips, the same for all frames of a clip."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcli.augmentation._warp import crop_matrices, flipped, warp

Inputs = tuple[Tensor, ...]
_MOST_CUT = 0.5


def temporal_crop(inputs: Inputs, strength: float) -> Inputs:
    """Stretch a part of each clip, at least 1 - 0.5 * strength of its frames, to the clip's original length."""
    frames, lengths, *rest = inputs
    steps = torch.arange(frames.shape[1], device=frames.device)
    draws = torch.rand(2, len(frames), device=frames.device)
    kept = (lengths * (1 - draws[0] * (_MOST_CUT * strength))).round().clamp(min=1)
    starts = (draws[1] * (lengths - kept + 1)).floor().clamp(min=0)
    played = starts.unsqueeze(1) + (steps * (kept / lengths.clamp(min=1)).unsqueeze(1)).floor()
    source = torch.where(steps < lengths.unsqueeze(1), played.long(), steps)
    rows = torch.arange(len(frames), device=frames.device).unsqueeze(1)
    return (frames[rows, source], lengths, *rest)


def flip(inputs: Inputs, strength: float) -> Inputs:
    """Flip half of the clips horizontally; fewer below a strength of 0.5."""
    frames, *rest = inputs
    mirrored = flipped(len(frames), strength, frames.device).view(-1, 1, 1, 1, 1)
    return (torch.where(mirrored, frames.flip(4), frames), *rest)


def crop(inputs: Inputs, strength: float) -> Inputs:
    """Enlarge a window of at least 1 - 0.4 * strength of each side to the full frame."""
    frames, *rest = inputs
    matrices = crop_matrices(len(frames), strength, frames.device)
    cropped = warp(frames.flatten(0, 1), matrices.repeat_interleave(frames.shape[1], dim=0))
    return (cropped.view(frames.shape), *rest)


OPERATIONS = {"temporal_crop": temporal_crop, "flip": flip, "crop": crop}
