"""Vectors and sequences of several modalities as tokens of one width, with nothing left of what is absent."""

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
        """Return the tokens of each modality in sorted order, (B, T, dim), and which are a row's own, (B, T)."""
        found = [
            to_tokens(features[name], present[name], layer, embedding)
            for name, layer, embedding in zip(self.names, self.layers, self.embedding, strict=True)
        ]
        return [tokens for tokens, _ in found], [own for _, own in found]


def to_tokens(feature: Feature, present: Tensor, layer: nn.Module, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``layer`` of each step plus ``embedding`` and the step's position, (B, T, D), and own steps (B, T)."""
    values, own = own_steps(feature, present)
    tokens = layer(values) + embedding
    if tokens.shape[1] > 1:
        tokens = tokens + positions(tokens)
    return tokens, own


def own_steps(feature: Feature, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return steps (B, T, D), zeros behind a row's end and where it is absent, and which are its own, (B, T) bool.

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
    """Return (T, D) for tokens (B, T, D): sines and cosines of each step's number, less those of the first step.

    So a vector is a sequence of one step. They are scaled to the norm 1 that the modalities' embeddings begin with.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.5.
    """
    steps, width = like.shape[1:]
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000.0) / width))
    angles = torch.arange(steps, device=like.device).unsqueeze(1) * rates
    waves = torch.stack([angles.sin(), angles.cos() - 1], dim=2).flatten(start_dim=1)[:, :width]
    scaled: Tensor = waves * (2 / width) ** 0.5
    return scaled.to(like.dtype)


def modality_mean(tokens: Tensor, own: Sequence[Tensor]) -> Tensor:
    """Return (B, D), the mean over the modalities present of the mean over the own tokens of each.

    So a long sequence does not outweigh a vector. Zeros where a row has no token.

    Args:
        tokens: (B, N, D), those of one modality after the other.
        own: Which of each modality's are a row's own, (B, T) bool each.
    """
    parts = torch.split(tokens, [each.shape[1] for each in own], dim=1)
    means = [present_mean(part, each) for part, each in zip(parts, own, strict=True)]
    return present_mean(torch.stack(means, dim=1), has_tokens(own))


def has_tokens(own: Sequence[Tensor]) -> Tensor:
    """Return (B, M) bool, whether a row has a token of each modality."""
    return torch.stack([each.any(dim=1) for each in own], dim=1)


def membership(own: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return (N, M), one in the column of the modality that each of the N tokens belongs to."""
    sizes = torch.tensor([each.shape[1] for each in own], device=like.device)
    columns = torch.arange(len(own), device=like.device).repeat_interleave(sizes)
    return nn.functional.one_hot(columns, len(own)).to(like.dtype)
