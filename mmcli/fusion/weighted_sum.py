"""A sum with one learnt weight for each modality, renormalised over those present."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion._presence import equal_width, fill_absent, presence_matrix, present_softmax


class WeightedSum(nn.Module):
    """The sum of the modalities weighted by a softmax over one learnt number each, taken over those present.

    Source: the scalar mix of Peters et al. 2018 (ELMo), section 3.2, over modalities in place of layers.

    Raises:
        MmcliError: The modalities do not have one width.
    """

    kind = "learnt"
    version = 1
    equal_widths = True

    def __init__(self, in_dims: Mapping[str, int]) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = equal_width("weighted_sum", in_dims)
        self.scores = nn.Parameter(torch.zeros(len(self.names)))

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, D); zeros where nothing is present."""
        weights = self.modality_weights(features, present)
        values = torch.stack(fill_absent(features, present, self.names), dim=1)
        return (weights.unsqueeze(2) * values).sum(dim=1)

    def modality_weights(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), weights that sum to 1 over the modalities present; ``features`` do not matter."""
        there = presence_matrix(present, self.names)
        return present_softmax(self.scores.expand(there.shape), there)
