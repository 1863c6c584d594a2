"""Squeeze and excitation: each feature is scaled by a gate computed from all modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import fill_absent, presence_matrix, require_width


class SqueezeExcite(nn.Module):
    """The concatenation of x_m * 2 sigmoid(W_m z + b_m) over all modalities, with z = ReLU(W [x_1, ..., x_M] + b).

    An absent modality is zeros in the input of z and in the result.

    Args:
        in_dims: The width of each modality.
        dim: The width of z, at least 1.

    Raises:
        MmcliError: ``dim`` is below 1.

    Source: Joze et al. 2020, MMTM: Multimodal Transfer Module for CNN Fusion, section 3, for vectors; the ReLU is
    that of the authors' code.
    """

    kind = "learnt"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 128) -> None:
        super().__init__()
        require_width("dim", dim)
        self.names = sorted(in_dims)
        self.widths = [in_dims[name] for name in self.names]
        self.out_dim = sum(self.widths)
        self.squeeze = nn.Linear(self.out_dim, dim)
        self.excite = nn.Linear(dim, self.out_dim)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, sum of the widths); zeros for an absent modality."""
        joined = torch.cat(fill_absent(features, present, self.names), dim=1)
        return joined * self._gates(joined)

    def modality_weights(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), the mean of each modality's gates, from 0 (closed) to 2 (doubled)."""
        gates = self._gates(torch.cat(fill_absent(features, present, self.names), dim=1))
        means = torch.stack([part.mean(dim=1) for part in torch.split(gates, self.widths, dim=1)], dim=1)
        return torch.where(presence_matrix(present, self.names), means, 0.0)

    def _gates(self, joined: Tensor) -> Tensor:
        gates: Tensor = 2 * self.excite(self.squeeze(joined).relu()).sigmoid()
        return gates
