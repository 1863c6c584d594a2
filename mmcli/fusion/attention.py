"""Self-attention over one token for each modality, absent ones masked, averaged over those present."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.fusion._presence import fill_absent, presence_matrix, present_mean, present_softmax


class Attention(nn.Module):
    """One attention layer of a transformer whose tokens are the modalities, each with a learnt embedding.

    LayerNorm(tokens + attention(tokens)), averaged over the modalities present.

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

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 64, heads: int = 4) -> None:
        super().__init__()
        if heads < 1 or dim < 1 or dim % heads:
            raise MmcliError(f"fusion method 'attention': dim must be a multiple of heads, not {dim} of {heads}")
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.heads = heads
        self.tokens = nn.ModuleList(nn.Linear(in_dims[name], dim, bias=False) for name in self.names)
        self.embedding = nn.Parameter(torch.randn(len(self.names), dim) * dim**-0.5)
        # A bias on the keys would cancel in the softmax and never learn.
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.output = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim); zeros where nothing is present."""
        there = presence_matrix(present, self.names)
        tokens = self._tokens(features, present)
        weights, values = self._attend(tokens, there)
        mixed = (weights @ values).transpose(1, 2).flatten(start_dim=2)
        return present_mean(self.norm(tokens + self.output(mixed)), there)

    def modality_weights(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), the attention each modality gets: the mean over heads and the modalities present."""
        there = presence_matrix(present, self.names)
        weights, _ = self._attend(self._tokens(features, present), there)
        return present_mean(weights.mean(dim=1), there)

    def _tokens(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        inputs = fill_absent(features, present, self.names)
        projected = [layer(value) for layer, value in zip(self.tokens, inputs, strict=True)]
        return torch.stack(projected, dim=1) + self.embedding

    def _attend(self, tokens: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights (B, heads, M queries, M keys) and the values (B, heads, M, dim / heads)."""
        parts = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind(0)
        scores = queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5
        return present_softmax(scores, there[:, None, None, :]), values
