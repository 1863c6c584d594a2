"""Resamples sequences to the number of steps of another, row by row."""

from __future__ import annotations

import torch
from torch import Tensor


def align(values: Tensor, own: Tensor, targets: Tensor) -> Tensor:
    """Resample each row from n to L steps, (B, S, D): step s is the mean of one window of the row's steps.

    The window goes from floor(s n / L) to ceil((s + 1) n / L), so that windows cover the row: neighbours share a step
    if n is not a multiple of L, steps repeat if n is less than L, and nothing changes if they are equal. Zeros after L
    steps, and in an empty row.

    Args:
        values: (B, T, D), zeros outside ``own``.
        own: (B, T) bool, the mask of a row's n steps, which precede the padding.
        targets: (B, S) bool, the mask of its L target steps.

    Source: adaptive average pooling, with the windows of torch.nn.AdaptiveAvgPool1d.
    """
    lengths, wanted = (each.sum(dim=1, keepdim=True) for each in (own, targets))
    to = torch.arange(targets.shape[1], device=values.device)
    wanted = wanted.clamp(min=1)
    first = (to * lengths) // wanted
    behind = ((to + 1) * lengths + wanted - 1) // wanted
    steps = torch.arange(values.shape[1], device=values.device)
    inside = (first.unsqueeze(2) <= steps) & (steps < behind.unsqueeze(2))
    counts = inside.sum(dim=2, keepdim=True).clamp(min=1)
    return (inside.to(values.dtype) @ values) / counts
