"""Gated multimodal unit: a gate for each feature of each modality, computed from all modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import fill_absent, presence_matrix, require_width


class Gated(nn.Module):
    """The sum over modalities of sigmoid(Z_m [x_1, ..., x_M]) * tanh(W_m x_m).

    An absent modality is zeros in the gates' input, and its term is left out.

    Args:
        in_dims: The width of each modality.
        dim: The width of the result, at least 1.

    Raises:
        MmcliError: ``dim`` is below 1.

    Source: Arevalo et al. 2017, Gated Multimodal Units for Information Fusion, section 3.1, the form for more
    than two modalities.
    """

    kind = "learnt"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 128) -> None:
        super().__init__()
        require_width("dim", dim)
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.values = nn.ModuleList(nn.Linear(in_dims[name], dim, bias=False) for name in self.names)
        self.gates = nn.Linear(sum(in_dims.values()), dim * len(self.names), bias=False)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim); zeros if none is present."""
        inputs = fill_absent(features, present, self.names)
        values = torch.stack([layer(value) for layer, value in zip(self.values, inputs, strict=True)], dim=1)
        return (self._gate(inputs, present) * values.tanh()).sum(dim=1)

    def modality_weights(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), the mean of each modality's gates, from 0 (closed) to 1 (open)."""
        return self._gate(fill_absent(features, present, self.names), present).mean(dim=2)

    def _gate(self, inputs: list[Tensor], present: Mapping[str, Tensor]) -> Tensor:
        gates = self.gates(torch.cat(inputs, dim=1)).sigmoid().unflatten(1, (len(self.names), self.out_dim))
        return torch.where(presence_matrix(present, self.names).unsqueeze(2), gates, 0.0)
