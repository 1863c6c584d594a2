"""Linear model on the predictions of one model per modality, trained on held-out train rows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Link
from mmcli.fusion.late._late import require_ridge, stack_outputs
from mmcli.fusion.presence import equal_width, presence_matrix


class Stacking(nn.Module):
    """A linear layer over every modality's outputs, the same times the share of absent modalities, and presence.

    Class outputs enter as centred log probabilities and label outputs as log odds, so that the zeros of an absent
    modality favour nothing. The second and third part let a modality count for more when others are absent. Before
    training, the layer gives the mean of the outputs if all modalities, or only one, are present.

    Args:
        in_dims: The outputs K of each modality's head.
        link: How outputs become predictions.
        ridge: The weight of half the sum of the layer's squared weights, added to the sum of the rows' losses; above 0.

    Raises:
        MmcliError: The modalities' K differ, or ``ridge`` is not above 0.

    Source: Wolpert 1992, Stacked Generalization; on class probabilities instead of the top class, as in Ting and Witten
    1999, Issues in Stacked Generalization.
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
        """Return (B, K); zeros if none is present."""
        there = presence_matrix(present, self.names)
        outputs: Tensor = self.layer(self.inputs(features, present))
        return torch.where(there.any(dim=1, keepdim=True), outputs, 0.0)

    def inputs(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return the layer's inputs, (B, M (2 K + 1)): outputs, the same times the absent share, and presence.

        Within each part, modalities follow each other.
        """
        outputs = stack_outputs(features, present, self.names)
        if self.link == "softmax":
            outputs = outputs - outputs.mean(dim=2, keepdim=True)
        there = presence_matrix(present, self.names).to(outputs.dtype)
        flat = outputs.flatten(start_dim=1)
        return torch.cat([flat, flat * (1 - there.mean(dim=1, keepdim=True)), there], dim=1)

    def penalty(self) -> Tensor:
        """Return the penalty to add to the sum of the rows' losses."""
        return self.ridge / 2 * self.layer.weight.square().sum()
