"""Shared by sequence encoders: masks, pooling, positions and attention layers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmcli.store.columns import FieldSpec


def inside(lengths: Tensor, steps: int) -> Tensor:
    """Return the mask (B, T) bool of rows of these lengths, T = ``steps``."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def pool_steps(values: Tensor, lengths: Tensor, pool: str) -> Tensor:
    """Return (B, D), the ``mean`` or ``max`` over the steps of (B, T, D); zeros for an empty row."""
    own = inside(lengths, values.shape[1]).unsqueeze(2)
    if pool == "mean":
        return torch.where(own, values, 0.0).sum(dim=1) / lengths.clamp(min=1).unsqueeze(1).to(values.dtype)
    highest = values.masked_fill(~own, -math.inf).amax(dim=1)
    return torch.where(lengths.unsqueeze(1) > 0, highest, 0.0)


def feature_form(dim: int, pool: str, bound: int) -> FieldSpec:
    """Return the form of pooled features (D,), or for ``none`` of a sequence (T, D) of at most ``bound`` steps."""
    if pool == "none":
        return FieldSpec("ragged", "float32", (dim,), "TD", bound)
    return FieldSpec("dense", "float32", (dim,), "D")


def positions(steps: int, like: Tensor) -> Tensor:
    """Return sinusoidal position encodings (T, D), with the width and dtype of ``like``, (B, T, D).

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.5.
    """
    width = like.shape[2]
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000.0) / width))
    angles = torch.arange(steps, device=like.device).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(start_dim=1).to(like.dtype)


class AttentionLayers(nn.Module):
    """Pre-norm residual layers of self-attention and a feed-forward network.

    Args:
        dim: The width D of each step.
        layers: Number of layers.
        heads: Attention heads; D is a multiple of them.
        dropout: Dropout probability of each residual branch.
        widening: Ratio of the feed-forward network's width to D.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3; Xiong et al. 2020, On Layer Normalization in the
    Transformer Architecture, table 1, for pre-norm.
    """

    def __init__(self, dim: int, layers: int, heads: int, dropout: float, widening: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(dim, heads, dropout, widening) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, values: Tensor, own: Tensor) -> Tensor:
        """Return (B, T, D) from (B, T, D); steps outside ``own``, (B, T) bool, do not affect other steps.

        The first step of every row is always attended to, so that empty rows stay finite.
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
