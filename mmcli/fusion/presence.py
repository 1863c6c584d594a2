"""Features and presence in the order of the modalities' names, with absent values replaced."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmcli.errors import MmcliError

_LARGEST_WIDTH = 2**20


def fill_absent(
    features: Mapping[str, Tensor], present: Mapping[str, Tensor], names: list[str], value: float = 0.0
) -> list[Tensor]:
    """Return the features of each name, (B, D), with ``value`` in rows where it is absent."""
    return [torch.where(present[name].unsqueeze(1), features[name], value) for name in names]


def presence_matrix(present: Mapping[str, Tensor], names: list[str]) -> Tensor:
    """Return (B, M) bool, one column per name."""
    return torch.stack([present[name] for name in names], dim=1)


def present_softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over the last axis among those present; zeros if none is present."""
    masked = scores.masked_fill(~present, torch.finfo(scores.dtype).min)
    return masked.softmax(dim=-1) * present


def present_mean(tokens: Tensor, present: Tensor) -> Tensor:
    """Return (B, D), the mean of the tokens (B, M, D) that are present (B, M); zeros if none is."""
    kept = torch.where(present.unsqueeze(2), tokens, 0.0)
    return kept.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1)


def equal_width(method: str, in_dims: Mapping[str, int]) -> int:
    """Return the common width of all modalities.

    Raises:
        MmcliError: They differ.
    """
    widths = set(in_dims.values())
    if len(widths) != 1:
        found = ", ".join(f"{name} {in_dims[name]}" for name in sorted(in_dims))
        raise MmcliError(f"fusion method {method!r} needs modalities of equal width, not {found}")
    return widths.pop()


def require_width(option: str, width: int) -> None:
    """Check a width.

    Raises:
        MmcliError: It is below 1, or too large for any memory.
    """
    if not 1 <= width <= _LARGEST_WIDTH:
        raise MmcliError(f"fusion: {option} must be at least 1 and at most {_LARGEST_WIDTH}, not {width}")


def require_share(option: str, value: float) -> None:
    """Require a probability.

    Raises:
        MmcliError: It is not from 0 to 1.
    """
    if not 0 <= value <= 1:
        raise MmcliError(f"fusion: {option} must be from 0 to 1, not {value}")
