"""Predictions of one model per modality, weighted by their performance on held-out train rows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Link
from mmcli.fusion.late._late import mix, require_ridge, stack_outputs
from mmcli.fusion.presence import equal_width, presence_matrix, present_softmax


class LateWeighted(nn.Module):
    """The modalities' probabilities, or their numbers, weighted by a softmax over one score per modality present.

    Scores start at 0, equal weights, and are learnt from outputs for rows that the heads have not seen.

    Args:
        in_dims: The outputs K of each modality's head.
        link: How outputs become predictions.
        ridge: The weight of half the sum of squared scores, added to the sum of the rows' losses; above 0. It keeps
            the weights similar if there are few rows.

    Raises:
        MmcliError: The modalities' K differ, or ``ridge`` is not above 0.

    Source: van der Laan, Polley and Hubbard 2007, Super Learner, with weights that sum to 1.
    """

    kind = "late"
    version = 1
    least_dropped = 0.0

    def __init__(self, in_dims: Mapping[str, int], *, link: Link = "softmax", ridge: float = 1.0) -> None:
        super().__init__()
        require_ridge("late_weighted", ridge)
        self.names = sorted(in_dims)
        self.out_dim = equal_width("late_weighted", in_dims)
        self.link: Link = link
        self.ridge = ridge
        self.scores = nn.Parameter(torch.zeros(len(self.names)))

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, K); zeros if none is present."""
        outputs = stack_outputs(features, present, self.names)
        return mix(outputs, self.modality_weights(features, present), self.link)

    def modality_weights(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), weights that sum to 1 over the modalities present; ``features`` are ignored."""
        there = presence_matrix(present, self.names)
        return present_softmax(self.scores.expand(there.shape), there)

    def penalty(self) -> Tensor:
        """Return the penalty to add to the sum of the rows' losses."""
        return self.ridge / 2 * self.scores.square().sum()
