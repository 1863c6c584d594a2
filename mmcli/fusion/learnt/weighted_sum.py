"""Sum with one learnt weight per modality, renormalised over the modalities present."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import equal_width, fill_absent, presence_matrix, present_softmax


class WeightedSum(nn.Module):
    """The sum of the modalities, weighted by a softmax over one learnt score per modality present.

    Args:
        in_dims: The width of each modality, equal for all.
        gate: Add to a modality's score, row by row, a learnt linear function of its vector, divided by the square root
            of the width so that it is not learnt faster than the rest. The ratio of two modalities' weights does not
            depend on which others are present.

    Raises:
        MmcliError: The modalities' widths differ.

    Source: the scalar mix of Peters et al. 2018 (ELMo), section 3.2, over modalities instead of layers; with ``gate``
    the dynamic meta-embeddings of Kiela et al. 2018, section 3, with a separate scorer per modality.
    """

    kind = "learnt"
    version = 1
    equal_widths = True

    def __init__(self, in_dims: Mapping[str, int], *, gate: bool = False) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = equal_width("weighted_sum", in_dims)
        self.scores = nn.Parameter(torch.zeros(len(self.names)))
        self.scorers = nn.Parameter(torch.zeros(len(self.names), self.out_dim)) if gate else None

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, D); zeros if none is present."""
        weights = self.modality_weights(features, present)
        return (weights.unsqueeze(2) * self._stacked(features, present)).sum(dim=1)

    def modality_weights(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), weights that sum to 1 over those present; ``features`` are used only with ``gate``."""
        there = presence_matrix(present, self.names)
        scores = self.scores.expand(there.shape)
        if self.scorers is not None:
            scores = scores + (self._stacked(features, present) * self.scorers).sum(dim=2) / self.out_dim**0.5
        return present_softmax(scores, there)

    def _stacked(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, D), zeros for an absent modality."""
        return torch.stack(fill_absent(features, present, self.names), dim=1)
