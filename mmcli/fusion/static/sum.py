"""Elementwise sum of the modalities present."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mmcli.fusion.static._projection import EqualWidths


class Sum(nn.Module):
    """The sum, column by column, over the modalities present; zeros if none is.

    Args:
        in_dims: The width of each modality; different widths are made equal by fixed random projections.
        dim: The width after projection, at least 1.
        seed: Seed of the projections.
    """

    kind = "static"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 256, seed: int = 0) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.widths = EqualWidths(in_dims, dim, seed)
        self.out_dim = self.widths.out_dim

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, out_dim)."""
        first, *others = self.widths(features, present)
        total: Tensor = first
        for value in others:
            total = total + value
        return total
