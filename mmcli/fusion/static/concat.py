"""Concatenation of all features, with zeros for missing modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import fill_absent


class Concat(nn.Module):
    """The concatenated features of all modalities, sorted by name; absent ones are zeros."""

    kind = "static"
    version = 1

    def __init__(self, in_dims: Mapping[str, int]) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = sum(in_dims.values())

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, sum of the widths)."""
        return torch.cat(fill_absent(features, present, self.names), dim=1)
