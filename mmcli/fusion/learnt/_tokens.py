"""Vectors and sequences of several modalities as tokens of one width, free of absent values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mmcli.fusion import Feature
from mmcli.fusion.presence import present_mean


class Tokens(nn.Module):
    """A token of width ``dim`` for each step of each modality: projected, with an embedding of its modality.

    Args:
        in_dims: The width of each modality.
        dim: The width of the tokens.
    """

    def __init__(self, in_dims: Mapping[str, int], dim: int) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.layers = nn.ModuleList(nn.Linear(in_dims[name], dim, bias=False) for name in self.names)
        self.embedding = nn.Parameter(torch.randn(len(self.names), dim) * dim**-0.5)

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> tuple[list[Tensor], ...]:
        """Return the tokens of each modality in sorted order, (B, T, dim), and their masks, (B, T)."""
        found = [
            to_tokens(features[name], present[name], layer, embedding)
            for name, layer, embedding in zip(self.names, self.layers, self.embedding, strict=True)
        ]
        return [tokens for tokens, _ in found], [own for _, own in found]


def to_tokens(feature: Feature, present: Tensor, layer: nn.Module, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``layer`` of each step plus ``embedding`` and the step's position, (B, T, D), and the mask (B, T)."""
    values, own = own_steps(feature, present)
    tokens = layer(values) + embedding
    if tokens.shape[1] > 1:
        tokens = tokens + positions(tokens)
    return tokens, own


def own_steps(feature: Feature, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return steps (B, T, D), zeros as padding and for an absent row, and their mask (B, T) bool.

    T is at least 1, and 1 for vectors.
    """
    if isinstance(feature, Tensor):
        values, own = feature.unsqueeze(1), present.unsqueeze(1)
    else:
        values, lengths = feature
        if not values.shape[1]:
            values = values.new_zeros(len(values), 1, values.shape[2])
        numbers = torch.arange(values.shape[1], device=values.device)
        own = (numbers < lengths.unsqueeze(1)) & present.unsqueeze(1)
    return torch.where(own.unsqueeze(2), values, 0.0), own


def positions(like: Tensor) -> Tensor:
    """Return (T, D) for tokens (B, T, D): sinusoidal position encodings minus those of the first step.

    A vector is therefore the same as a sequence of one step. They are scaled to norm 1, the initial norm of the
    modalities' embeddings.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.5.
    """
    steps, width = like.shape[1:]
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000.0) / width))
    angles = torch.arange(steps, device=like.device).unsqueeze(1) * rates
    waves = torch.stack([angles.sin(), angles.cos() - 1], dim=2).flatten(start_dim=1)[:, :width]
    scaled: Tensor = waves * (2 / width) ** 0.5
    return scaled.to(like.dtype)


def modality_mean(tokens: Tensor, own: Sequence[Tensor]) -> Tensor:
    """Return (B, D), the mean over the modalities present of each modality's mean token.

    A long sequence thus does not outweigh a vector. Zeros for a row without tokens.

    Args:
        tokens: (B, N, D), modality after modality.
        own: The mask of each modality's tokens, (B, T) bool each.
    """
    parts = torch.split(tokens, [each.shape[1] for each in own], dim=1)
    means = [present_mean(part, each) for part, each in zip(parts, own, strict=True)]
    return present_mean(torch.stack(means, dim=1), has_tokens(own))


def has_tokens(own: Sequence[Tensor]) -> Tensor:
    """Return (B, M) bool, whether a row has tokens of each modality."""
    return torch.stack([each.any(dim=1) for each in own], dim=1)


def membership(own: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return (N, M), one-hot: the modality of each of the N tokens."""
    sizes = torch.tensor([each.shape[1] for each in own], device=like.device)
    columns = torch.arange(len(own), device=like.device).repeat_interleave(sizes)
    return nn.functional.one_hot(columns, len(own)).to(like.dtype)
