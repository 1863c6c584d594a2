"""Multimodal transformer: each modality attends to every other, then to itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Feature
from mmcli.fusion.learnt._tokens import Tokens
from mmcli.fusion.learnt._transformer import Stack, require_sizes
from mmcli.fusion.presence import present_mean


class CrossAttention(nn.Module):
    """A transformer for each ordered pair of modalities, in which the target's steps attend to the source's.

    A target's results from all sources are concatenated, pass through self-attention and are averaged over its steps;
    the results of all targets are concatenated. An absent source adds nothing to the target's steps; an absent target
    gives zeros. A single modality has only its self-attention.

    As in the authors' code, layers are pre-norm with unnormalised residuals (in the paper the residuals are
    normalised), and the source is the projected steps in every layer. Instead of a target's last step, its mean is
    used, which suits rows of any length, and a projection of each step replaces the temporal convolution. For a source
    of a single step the attention is constant, so the queries and keys of its pairs are not trained.

    Args:
        in_dims: The width of each modality.
        dim: The width of each pair's tokens, a multiple of ``heads``; the result is M (M - 1) times as wide.
        heads: Attention heads, at least 1.
        layers: Layers of each transformer, from 1 to 64.
        dropout: Dropout probability of each residual branch, from 0 to 1.

    Source: Tsai et al. 2019, Multimodal Transformer for Unaligned Multimodal Language Sequences, section 3.

    Raises:
        MmcliError: A value is out of range.
    """

    kind = "learnt"
    version = 1
    sequences = True

    def __init__(
        self, in_dims: Mapping[str, int], *, dim: int = 32, heads: int = 4, layers: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__()
        require_sizes("cross_attention", dim, heads, layers, dropout)
        self.names = sorted(in_dims)
        count = len(self.names)
        width = dim * max(1, count - 1)
        self.out_dim = count * width
        self.tokens = Tokens(in_dims, dim)
        self.pairs = nn.ModuleList(Stack(dim, heads, layers, dropout, crosses=True) for _ in range(count * (count - 1)))
        self.targets = nn.ModuleList(Stack(width, heads, layers, dropout) for _ in range(count))

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, out_dim), the targets in sorted order; zeros if none is present."""
        tokens, own = self.tokens(features, present)
        pairs = iter(self.pairs)
        results = []
        for index, itself in enumerate(self.targets):
            sources = [other for other in range(len(tokens)) if other != index]
            steps = [next(pairs)(tokens[index], own[other], tokens[other]) for other in sources]
            joined = torch.cat(steps, dim=2) if steps else tokens[index]
            results.append(present_mean(itself(joined, own[index]), own[index]))
        return torch.cat(results, dim=1)
