"""Low-rank tensor fusion: a linear layer on the outer product of all modalities, which is never computed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import fill_absent, require_width


class LowRank(nn.Module):
    """The weighted sum over r of the product over modalities of [x_m, 1] W_m,r, and a bias.

    It equals a linear layer over the outer product of all [x_m, 1] whose weight tensor has rank ``rank``. The product
    is over the modalities present; if none is, the result is learnt: the sum of the weights, plus the bias.

    Args:
        in_dims: The width of each modality.
        dim: The width of the result, at least 1.
        rank: The number of factors per modality, at least 1.

    Raises:
        MmcliError: ``dim`` or ``rank`` is below 1, or their product is too large.

    Source: Liu et al. 2018, Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, section 3; the
    weights of the ranks are those of the authors' code.
    """

    kind = "learnt"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 128, rank: int = 4) -> None:
        super().__init__()
        require_width("dim", dim)
        require_width("rank", rank)
        require_width("dim times rank", dim * rank)
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.factors = nn.ParameterList(_factor(rank, in_dims[name], dim) for name in self.names)
        self.rank_weights = nn.Parameter(torch.full((rank,), 1 / rank))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim)."""
        inputs = fill_absent(features, present, self.names)
        terms = [
            torch.where(present[name].unsqueeze(1), value @ factor[:, :-1] + factor[:, -1:], 1.0)
            for name, factor, value in zip(self.names, self.factors, inputs, strict=True)
        ]
        fused: Tensor = torch.einsum("r,rbd->bd", self.rank_weights, reduce(torch.mul, terms)) + self.bias
        return fused


def _factor(rank: int, width: int, dim: int) -> Tensor:
    """Return (rank, width + 1, dim) with initial outputs around 1, so that products of many do not vanish."""
    factor = torch.ones(rank, width + 1, dim)
    nn.init.uniform_(factor[:, :-1], -(width**-0.5), width**-0.5)
    return factor
