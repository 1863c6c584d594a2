"""Pools the steps of a sequence, or the positions of a feature map, to one vector per row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcli.errors import unknown_name
from mmcli.models import POOLINGS
from mmcli.models.sequence import inside, pool_steps

Feature = Tensor | tuple[Tensor, ...]
"""Vectors (B, D), maps (B, C, H, W), or a sequence: values (B, T, D) and lengths (B,); the rest is padding."""
_WIDEST = 128


def build_pooling(name: str, dim: int) -> nn.Module:
    """Build a pooling of steps of ``dim`` columns: ``mean``, ``max`` or ``attention``.

    Raises:
        MmcliError: There is no such pooling.
    """
    if name not in POOLINGS:
        raise unknown_name("pooling", name, list(POOLINGS))
    return AttentionPooling(dim) if name == "attention" else MaxPooling() if name == "max" else MeanPooling()


def as_steps(feature: Feature) -> Feature:
    """Return a feature map as a sequence of its H W positions, row by row, of width C; others unchanged."""
    if isinstance(feature, tuple) or feature.dim() == 2:
        return feature
    values = feature.flatten(start_dim=2).transpose(1, 2)
    return values, torch.full((len(values),), values.shape[1], device=values.device)


class MeanPooling(nn.Module):
    """The mean over a sequence's steps, or over H and W; zeros for an empty sequence."""

    def forward(self, feature: Feature) -> Tensor:
        """Return (B, D)."""
        if isinstance(feature, Tensor):
            return feature.flatten(start_dim=2).mean(dim=2) if feature.dim() > 2 else feature
        values, lengths = feature
        # Step by step, so that a row's last bits do not depend on the padding of its batch.
        own = values[inside(lengths, values.shape[1])]
        total = torch.segment_reduce(own, "sum", lengths=lengths.long(), axis=0, initial=0)
        return total / lengths.clamp(min=1).unsqueeze(1)


class MaxPooling(nn.Module):
    """The maximum of each column over a sequence's steps, or over H and W; zeros for an empty sequence."""

    def forward(self, feature: Feature) -> Tensor:
        """Return (B, D)."""
        feature = as_steps(feature)
        if isinstance(feature, Tensor):
            return feature
        values, lengths = feature
        return pool_steps(values, lengths, "max")


class AttentionPooling(nn.Module):
    """The sum of a sequence's steps h_t, weighted by the softmax over steps of u . tanh(W h_t + b).

    It starts as the mean, because the query u starts as zeros. An empty sequence gives zeros; vectors pass unchanged.

    Args:
        dim: The width of a step; W has as many rows, at most 128.

    Source: Yang et al. 2016, Hierarchical Attention Networks for Document Classification, section 2.2, equations 5
    to 7.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(dim, min(dim, _WIDEST))
        self.query = nn.Parameter(torch.zeros(self.hidden.out_features))

    def forward(self, feature: Feature) -> Tensor:
        """Return (B, D)."""
        feature = as_steps(feature)
        if isinstance(feature, Tensor):
            return feature
        values, lengths = feature
        own = inside(lengths, values.shape[1])
        values = torch.where(own.unsqueeze(2), values, 0.0)
        scores = (self.hidden(values).tanh() @ self.query).masked_fill(~own, torch.finfo(values.dtype).min)
        weights = scores.softmax(dim=1) * own
        pooled: Tensor = (weights.unsqueeze(2) * values).sum(dim=1)
        return pooled
