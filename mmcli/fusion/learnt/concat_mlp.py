"""Two-layer MLP on the concatenated features; a learnt vector replaces a missing modality."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import require_share, require_width


class ConcatMlp(nn.Module):
    """Two layers with ReLU and dropout over the concatenated modalities; a learnt vector replaces an absent one.

    Args:
        in_dims: The width of each modality.
        hidden: The width of both layers, at least 1.
        dropout: Dropout probability of each layer's outputs, from 0 to 1.

    Raises:
        MmcliError: ``hidden`` is below 1, or ``dropout`` is not from 0 to 1.
    """

    kind = "learnt"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, hidden: int = 128, dropout: float = 0.2) -> None:
        super().__init__()
        require_width("hidden", hidden)
        require_share("dropout", dropout)
        self.names = sorted(in_dims)
        self.out_dim = hidden
        self.absent = nn.ParameterList(torch.zeros(in_dims[name]) for name in self.names)
        self.layers = nn.Sequential(
            nn.Linear(sum(in_dims.values()), hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, hidden)."""
        inputs = [
            torch.where(present[name].unsqueeze(1), features[name], stand_in)
            for name, stand_in in zip(self.names, self.absent, strict=True)
        ]
        fused: Tensor = self.layers(torch.cat(inputs, dim=1))
        return fused
