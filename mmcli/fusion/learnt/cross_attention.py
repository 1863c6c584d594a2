"""Multimodal transformer: each modality attends to each other one, then to itself."""

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

    What a target gets from its sources is concatenated and goes through self-attention, then the mean over its own
    steps, and those of all targets are concatenated. A source that a row lacks adds nothing to the target's own
    steps; an absent target is zeros. One modality alone has its self-attention only.

    As in the authors' code, blocks are normalised before each part and add to what was not normalised (the paper adds
    to the normalised), and a source is the projected steps in every layer. Where they take a target's last step, the
    mean serves rows of any length; their temporal convolution is a projection of each step. A source of one step
    leaves no choice: what makes the queries and keys of its pairs learns nothing.

    Args:
        in_dims: The width of each modality.
        dim: The width of each pair's tokens, a multiple of ``heads``; the result has M (M - 1) times as many columns.
        heads: Attention heads, at least 1.
        layers: Of each transformer, from 1 to 64.
        dropout: The share dropped in training of what each part of a layer adds, from 0 to 1.

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
        """Return (B, out_dim), the targets in sorted order; zeros where nothing is present."""
        tokens, own = self.tokens(features, present)
        pairs = iter(self.pairs)
        results = []
        for index, itself in enumerate(self.targets):
            sources = [other for other in range(len(tokens)) if other != index]
            steps = [next(pairs)(tokens[index], own[other], tokens[other]) for other in sources]
            joined = torch.cat(steps, dim=2) if steps else tokens[index]
            results.append(present_mean(itself(joined, own[index]), own[index]))
        return torch.cat(results, dim=1)
