"""Sequences brought to the number of steps of another, each row by its own lengths."""

from __future__ import annotations

import torch
from torch import Tensor


def align(values: Tensor, own: Tensor, targets: Tensor) -> Tensor:
    """Return (B, S, D): step s of a row that gets L steps from n of its own is the mean of one stretch of them.

    That stretch goes from floor(s n / L) to ceil((s + 1) n / L), so that all of them cover the row: neighbours share
    a step where n is no multiple of L, steps repeat where n is less, and nothing changes where they are equal. Zeros
    behind L, and in a row without steps.

    Args:
        values: (B, T, D), zeros outside ``own``.
        own: (B, T) bool, a row's own steps, which lie before all others.
        targets: (B, S) bool, likewise for the steps that it gets.

    Source: adaptive average pooling, with the stretches of torch.nn.AdaptiveAvgPool1d.
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
