"""A linear model over what a model of each modality predicts, learnt on rows that those had not seen."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Link
from mmcli.fusion.late._late import require_ridge, stack_outputs
from mmcli.fusion.presence import equal_width, presence_matrix


class Stacking(nn.Module):
    """A linear layer over the outputs of every modality, these times the share that is absent, and who is present.

    Outputs of classes enter as log-probabilities less their mean, those of labels as log-odds: the zeros that an
    absent modality has then favour nothing. By the second and third part a modality counts for more where it stands
    alone. Until the layer is learnt, it is the mean of the outputs where all modalities are present, or one.

    Args:
        in_dims: The outputs K of each modality's head.
        link: What makes predictions of outputs.
        ridge: The weight of half the sum of the layer's squared weights beside the sum of the rows' losses, above 0.

    Raises:
        MmcliError: The modalities do not have one K, or ``ridge`` is not above 0.

    Source: Wolpert 1992, Stacked Generalization; on how likely each class is, not on the likeliest alone, as in Ting
    and Witten 1999, Issues in Stacked Generalization.
    """

    kind = "late"
    version = 1
    least_dropped = 0.5

    def __init__(self, in_dims: Mapping[str, int], *, link: Link = "softmax", ridge: float = 1.0) -> None:
        super().__init__()
        require_ridge("stacking", ridge)
        self.names = sorted(in_dims)
        self.out_dim = equal_width("stacking", in_dims)
        self.link: Link = link
        self.ridge = ridge
        count, each = len(self.names), torch.eye(self.out_dim)
        self.layer = nn.Linear(count * (2 * self.out_dim + 1), self.out_dim)
        with torch.no_grad():
            self.layer.weight.copy_(
                torch.cat([*[each / count] * count, *[each] * count, torch.zeros(self.out_dim, count)], dim=1)
            )
            self.layer.bias.zero_()

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, K); zeros where nothing is present."""
        there = presence_matrix(present, self.names)
        outputs: Tensor = self.layer(self.inputs(features, present))
        return torch.where(there.any(dim=1, keepdim=True), outputs, 0.0)

    def inputs(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return what the layer takes, (B, M (2 K + 1)): outputs, the same times the absent share, and presence.

        Of each part a modality comes after the other.
        """
        outputs = stack_outputs(features, present, self.names)
        if self.link == "softmax":
            outputs = outputs - outputs.mean(dim=2, keepdim=True)
        there = presence_matrix(present, self.names).to(outputs.dtype)
        flat = outputs.flatten(start_dim=1)
        return torch.cat([flat, flat * (1 - there.mean(dim=1, keepdim=True)), there], dim=1)

    def penalty(self) -> Tensor:
        """Return what is added to the sum of the rows' losses."""
        return self.ridge / 2 * self.layer.weight.square().sum()
