"""Multimodal bottleneck transformer: modalities interact only through a few shared tokens."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Feature
from mmcli.fusion.learnt._tokens import Tokens, has_tokens, modality_mean
from mmcli.fusion.learnt._transformer import Block, require_sizes
from mmcli.fusion.presence import present_mean, require_width


class Bottleneck(nn.Module):
    """Transformer layers for each modality, over its own tokens and learnt bottleneck tokens shared by all.

    After each layer the bottlenecks are averaged over the modalities present. The result is the normalised mean over
    each modality's tokens, averaged over the modalities present; the authors instead give each modality a class token
    and average the predictions. An absent modality has no tokens and does not contribute to the bottlenecks.

    Args:
        in_dims: The width of each modality.
        dim: The width of the tokens and of the result; a multiple of ``heads``.
        heads: Attention heads, at least 1.
        layers: Number of layers, from 1 to 64; modalities interact from 2 layers on.
        bottlenecks: Number of shared tokens, at least 1.
        dropout: Dropout probability of each residual branch, from 0 to 1.

    Source: Nagrani et al. 2021, Attention Bottlenecks for Multimodal Fusion, section 3.2, with fusion in each layer.

    Raises:
        MmcliError: A value is out of range.
    """

    kind = "learnt"
    version = 1
    sequences = True

    def __init__(
        self,
        in_dims: Mapping[str, int],
        *,
        dim: int = 64,
        heads: int = 4,
        layers: int = 2,
        bottlenecks: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        require_sizes("bottleneck", dim, heads, layers, dropout)
        require_width("bottlenecks", bottlenecks)
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.tokens = Tokens(in_dims, dim)
        self.shared = nn.Parameter(torch.randn(bottlenecks, dim) * dim**-0.5)
        self.layers = layers
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers) for _ in self.names)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in self.names)

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim); zeros if none is present."""
        tokens, own = self.tokens(features, present)
        there = has_tokens(own)
        shared = self.shared.expand(len(there), -1, -1)
        blocks = iter(self.blocks)
        for _ in range(self.layers):
            made = []
            for index, each in enumerate(own):
                seen = nn.functional.pad(each, (0, shared.shape[1]), value=True)
                joined = next(blocks)(torch.cat([tokens[index], shared], dim=1), seen)
                tokens[index] = joined[:, : each.shape[1]]
                made.append(joined[:, each.shape[1] :].flatten(start_dim=1))
            shared = present_mean(torch.stack(made, dim=1), there).view(shared.shape)
        normalised = [norm(each) for norm, each in zip(self.norms, tokens, strict=True)]
        return modality_mean(torch.cat(normalised, dim=1), own)
