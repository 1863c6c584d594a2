"""Self-attention over the steps of all modalities, then the mean over the modalities present."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Feature
from mmcli.fusion.learnt._tokens import membership, modality_mean, to_tokens
from mmcli.fusion.learnt._transformer import attend, require_sizes, split_heads
from mmcli.fusion.presence import present_softmax


class Attention(nn.Module):
    """One transformer attention layer over one token per modality, or per step of a sequence.

    A token has a learnt embedding of its modality and, in a sequence, a sinusoidal position encoding.
    LayerNorm(tokens + attention(tokens)) is averaged over each modality's steps, then over the modalities present.
    An absent modality has no tokens, so nothing attends to it.

    Args:
        in_dims: The width of each modality.
        dim: The width of the tokens and of the result; a multiple of ``heads``.
        heads: Attention heads, at least 1.

    Source: Vaswani et al. 2017, sections 3.1 (residual and layer norm) and 3.2.

    Raises:
        MmcliError: ``dim`` is not a multiple of ``heads``.
    """

    kind = "learnt"
    version = 1
    sequences = True

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 64, heads: int = 4) -> None:
        super().__init__()
        require_sizes("attention", dim, heads)
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.heads = heads
        self.tokens = nn.ModuleList(nn.Linear(in_dims[name], dim, bias=False) for name in self.names)
        self.embedding = nn.Parameter(torch.randn(len(self.names), dim) * dim**-0.5)
        # A bias on the keys would cancel in the softmax and get no gradient.
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.output = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim); zeros if none is present."""
        tokens, own = self._tokens(features, present)
        queries, keys, values = self._project(tokens)
        mixed = self._attend(queries, keys, values, own).transpose(1, 2).flatten(start_dim=2)
        return modality_mean(self.norm(tokens + self.output(mixed)), own)

    def modality_weights(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), the attention to each modality: over its steps, averaged over heads and as the result."""
        tokens, own = self._tokens(features, present)
        queries, keys, _ = self._project(tokens)
        groups = membership(own, tokens).expand(*keys.shape[:2], -1, -1)
        return modality_mean(self._attend(queries, keys, groups, own).mean(dim=1), own)

    def _tokens(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the tokens (B, N, dim), modality after modality, and the mask of each modality, (B, T)."""
        parts = zip(self.names, self.tokens, self.embedding, strict=True)
        found = [to_tokens(features[name], present[name], layer, embedding) for name, layer, embedding in parts]
        return torch.cat([tokens for tokens, _ in found], dim=1), [own for _, own in found]

    def _project(self, tokens: Tensor) -> list[Tensor]:
        """Return queries, keys and values, (B, heads, N, dim / heads) each."""
        return [split_heads(part, self.heads) for part in self.query_key_value(tokens).chunk(3, dim=2)]

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, own: list[Tensor]) -> Tensor:
        """Return (B, heads, N, E) for values (B, heads, N, E)."""
        seen = torch.cat(own, dim=1)
        if seen.shape[1] > len(self.names):
            return attend(queries, keys, values, seen)
        # Plain products for vectors: version 1 fixes their last bits, which a fused kernel would change.
        scores = queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5
        return present_softmax(scores, seen[:, None, None, :]) @ values
