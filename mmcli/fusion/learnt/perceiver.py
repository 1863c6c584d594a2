"""Perceiver: a few learnt latent vectors attend to the steps of all modalities, then to each other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Feature
from mmcli.fusion.learnt._tokens import Tokens, membership
from mmcli.fusion.learnt._transformer import Block, Stack, require_sizes
from mmcli.fusion.presence import require_width


class Perceiver(nn.Module):
    """Learnt latents that attend once to all tokens of the modalities present, then to each other in each layer.

    An absent modality has no tokens. The result is the normalised mean over the latents; a row without any modality
    gives the result of the latents alone. The cost is linear in the number of steps. The authors attend to the inputs
    repeatedly, optionally with shared weights; here it is once, with as many heads as in the layers.

    Args:
        in_dims: The width of each modality.
        dim: The width of the latents, the tokens and the result; a multiple of ``heads``.
        heads: Attention heads, at least 1.
        layers: Layers of self-attention among the latents, from 1 to 64.
        latents: Number of latents, at least 1.
        dropout: Dropout probability of each residual branch, from 0 to 1.

    Source: Jaegle et al. 2021, Perceiver: General Perception with Iterative Attention, section 3.1.

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
        latents: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        require_sizes("perceiver", dim, heads, layers, dropout)
        require_width("latents", latents)
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.tokens = Tokens(in_dims, dim)
        self.latents = nn.Parameter(torch.randn(latents, dim) * dim**-0.5)
        self.read = Block(dim, heads, dropout, crosses=True)
        self.think = Stack(dim, heads, layers, dropout)

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim)."""
        tokens, own = self.tokens(features, present)
        latents = self.latents.expand(len(own[0]), -1, -1)
        read = self.read(latents, torch.cat(own, dim=1), torch.cat(tokens, dim=1))
        thought: Tensor = self.think(read, read.new_ones(read.shape[:2], dtype=torch.bool))
        return thought.mean(dim=1)

    def modality_weights(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), the attention to each modality: summed over its steps, averaged over heads and latents."""
        tokens, own = self.tokens(features, present)
        latents = self.latents.expand(len(own[0]), -1, -1)
        inputs = self.read.inputs(latents, torch.cat(tokens, dim=1))
        shares = self.read.attention.shares(*inputs, torch.cat(own, dim=1), membership(own, tokens[0]))
        return shares.mean(dim=1)
