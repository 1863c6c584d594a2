"""The memory of a decoder: the steps of every modality and the fused vector, as tokens of one width."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn

from mmcli.models.abilities import HoldsMethod, takes_sequences, weigher
from mmcli.models.sequence import inside, positions

Feature = Tensor | tuple[Tensor, ...]
"""Vectors (B, D), or a sequence: values (B, T, D) and lengths (B,)."""


class CaptionMemory(nn.Module, HoldsMethod):
    """Tokens (B, L, D) and their mask (B, L) bool; passed to ``Network`` as its fusion.

    The first token is the fused vector, which every row has. Then follow the steps of each modality, or its single
    vector: each projected, normalised, and with an embedding of its modality and, in a sequence, its position.

    Args:
        in_dims: The width of each modality.
        width: D.
        method: Builds the fusion method from these widths.
        pooling: Builds the pooling of a modality's steps from its width, for a method that takes vectors.
        sequences: The modalities that are sequences.
    """

    sequences = True

    def __init__(
        self,
        in_dims: Mapping[str, int],
        *,
        width: int,
        method: Callable[[dict[str, int]], nn.Module],
        pooling: Callable[[int], nn.Module],
        sequences: Collection[str],
    ) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = width
        self.method = method(dict(in_dims))
        pools = not takes_sequences(self.method)
        self.pooling = nn.ModuleDict({name: pooling(in_dims[name]) for name in sorted(sequences) if pools})
        out_dim = self.method.out_dim
        assert isinstance(out_dim, int)
        self.whole = nn.Linear(out_dim, width)
        self.layers = nn.ModuleList(nn.Linear(in_dims[name], width) for name in self.names)
        self.norm = nn.LayerNorm(width)
        self.embedding = nn.Parameter(torch.randn(1 + len(self.names), width))

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the tokens and their mask; absent values, NaN included, affect neither them nor a gradient."""
        fused = self.method(self._for_method(features), present)
        tokens = [(self.norm(self.whole(fused)) + self.embedding[0]).unsqueeze(1)]
        owns = [torch.ones(len(fused), 1, dtype=torch.bool, device=fused.device)]
        for name, layer, embedding in zip(self.names, self.layers, self.embedding[1:], strict=True):
            steps, own = _own_steps(features[name], present[name])
            found = self.norm(layer(steps)) + embedding
            if isinstance(features[name], tuple):
                found = found + positions(found.shape[1], found)
            tokens.append(found)
            owns.append(own)
        return torch.cat(tokens, dim=1), torch.cat(owns, dim=1)

    @property
    def modality_weights(self) -> Callable[[Mapping[str, Feature], Mapping[str, Tensor]], Tensor] | None:
        """The function that returns the fusion method's modality weights, (B, M); None if it has none."""
        weigh = weigher(self.method)
        return None if weigh is None else lambda features, present: weigh(self._for_method(features), present)

    def _for_method(self, features: Mapping[str, Feature]) -> dict[str, Feature]:
        """Return the features, pooled to one vector where the method does not take a modality's steps."""
        return {name: self.pooling[name](value) if name in self.pooling else value for name, value in features.items()}


def _own_steps(feature: Feature, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return steps (B, T, D), with zeros as padding, and their mask (B, T) bool; T is 1 for vectors."""
    if isinstance(feature, Tensor):
        values, own = feature.unsqueeze(1), present.unsqueeze(1)
    else:
        values, lengths = feature
        own = inside(lengths, values.shape[1]) & present.unsqueeze(1)
    return torch.where(own.unsqueeze(2), values, 0.0), own
