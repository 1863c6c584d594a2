"""Factorised bilinear pooling: products of projections, sum-pooled in groups, with signed root and L2 norm."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import fill_absent, presence_matrix, require_width

_NEAR_ZERO = 1e-6
"""Below it, root and norm are linear, so that gradients stay finite; scaled products lie far above."""


class Bilinear(nn.Module):
    """The product over modalities of U_m x_m + b_m, summed in groups of ``factors``; signed root, then L2 norm.

    The product is over the modalities present; if none is, the result is zeros.

    Args:
        in_dims: The width of each modality.
        dim: The width of the result, at least 1.
        factors: Number of product columns summed to one result column, at least 1.

    Raises:
        MmcliError: ``dim`` or ``factors`` is below 1, or their product is too large.

    Source: Yu et al. 2017, Multi-modal Factorized Bilinear Pooling, section 3.2, for any number of modalities.
    """

    kind = "learnt"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 128, factors: int = 5) -> None:
        super().__init__()
        require_width("dim", dim)
        require_width("factors", factors)
        require_width("dim times factors", dim * factors)
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.factors = factors
        self.projections = nn.ModuleList(_projection(in_dims[name], dim * factors) for name in self.names)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim), rows of length 1; zeros if none is present."""
        inputs = fill_absent(features, present, self.names)
        projected = [
            torch.where(present[name].unsqueeze(1), _scaled(layer(value)), 1.0)
            for name, layer, value in zip(self.names, self.projections, inputs, strict=True)
        ]
        pooled = reduce(torch.mul, projected).view(-1, self.out_dim, self.factors).sum(dim=2)
        roots = pooled / (pooled.abs() + _NEAR_ZERO).sqrt()
        fused = roots / (roots.square().sum(dim=1, keepdim=True) + _NEAR_ZERO).sqrt()
        return torch.where(presence_matrix(present, self.names).any(dim=1, keepdim=True), fused, 0.0)


def _projection(width: int, columns: int) -> nn.Linear:
    """Return a layer with initial outputs around 1: around 0, a product of many would vanish."""
    layer = nn.Linear(width, columns)
    nn.init.ones_(layer.bias)
    return layer


def _scaled(projected: Tensor) -> Tensor:
    # A common factor of a row cancels in the norm; removing it keeps products from overflowing or vanishing.
    return projected / projected.detach().abs().amax(dim=1, keepdim=True).clamp(min=_NEAR_ZERO)
