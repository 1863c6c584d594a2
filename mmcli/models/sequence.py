"""What encoders of sequences share: the mask of their own steps, and pooling over them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmcli.store.columns import FieldSpec


def inside(lengths: Tensor, steps: int) -> Tensor:
    """Return (B, T) bool: which of ``steps`` steps are a row's own."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def pool_steps(values: Tensor, lengths: Tensor, pool: str) -> Tensor:
    """Return (B, D), the ``mean`` or ``max`` of the own steps of (B, T, D); zeros where a row has none."""
    own = inside(lengths, values.shape[1]).unsqueeze(2)
    if pool == "mean":
        return torch.where(own, values, 0.0).sum(dim=1) / lengths.clamp(min=1).unsqueeze(1).to(values.dtype)
    highest = values.masked_fill(~own, -math.inf).amax(dim=1)
    return torch.where(lengths.unsqueeze(1) > 0, highest, 0.0)


def feature_form(dim: int, pool: str, bound: int) -> FieldSpec:
    """Return the form of pooled features (D,), or with ``none`` of a sequence (T, D) of at most ``bound`` steps."""
    if pool == "none":
        return FieldSpec("ragged", "float32", (dim,), "TD", bound)
    return FieldSpec("dense", "float32", (dim,), "D")


def positions(steps: int, like: Tensor) -> Tensor:
    """Return sines and cosines (T, D) of each step's number, for steps like those of (B, T, D).

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.5.
    """
    width = like.shape[2]
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000.0) / width))
    angles = torch.arange(steps, device=like.device).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(start_dim=1).to(like.dtype)


class AttentionLayers(nn.Module):
    """Layers of self-attention and a feed-forward network, each normalised before and added to what it got.

    Args:
        dim: The width D of each step.
        layers: How many.
        heads: Of attention; they share D evenly.
        dropout: The share dropped of what each part adds, in training.
        widening: How many times wider the feed-forward network is.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3; the order of normalisation is that of Xiong
    et al. 2020, On Layer Normalization in the Transformer Architecture, table 1.
    """

    def __init__(self, dim: int, layers: int, heads: int, dropout: float, widening: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(dim, heads, dropout, widening) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, values: Tensor, own: Tensor) -> Tensor:
        """Return (B, T, D) from (B, T, D); steps outside ``own``, (B, T) bool, influence no other step.

        The first step takes part in every row, so that a row without a step of its own stays finite.
        """
        attended = own.clone()
        attended[:, 0] = True
        for layer in self.layers:
            values = layer(values, attended[:, None, None])
        normalised: Tensor = self.norm(values)
        return normalised


class _Layer(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float, widening: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 3 * dim)
        self.join = nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)
        hidden = widening * dim
        self.feed = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )

    def forward(self, values: Tensor, attended: Tensor) -> Tensor:
        rows, steps, width = values.shape
        parts = self.project(self.norm(values)).view(rows, steps, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=attended)
        values = values + self.drop(self.join(found.transpose(1, 2).reshape(rows, steps, width)))
        fed: Tensor = values + self.drop(self.feed(values))
        return fed
