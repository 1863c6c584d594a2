"""Mean of the predictions of one model per modality, over the modalities present."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mmcli.fusion import Link
from mmcli.fusion.late._late import mix, stack_outputs
from mmcli.fusion.presence import equal_width, presence_matrix


class LateMean(nn.Module):
    """The mean of the modalities' probabilities, or of their numbers, as outputs again.

    Args:
        in_dims: The outputs K of each modality's head.
        link: How outputs become predictions.

    Raises:
        MmcliError: The modalities' K differ.

    Source: the sum rule of Kittler et al. 1998, On Combining Classifiers, section 2.2.
    """

    kind = "late"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, link: Link = "softmax") -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = equal_width("late_mean", in_dims)
        self.link: Link = link

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, K); zeros if none is present."""
        outputs = stack_outputs(features, present, self.names)
        return mix(outputs, self.modality_weights(features, present).to(outputs.dtype), self.link)

    def modality_weights(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), equal weights for the modalities present; ``features`` are ignored."""
        there = presence_matrix(present, self.names)
        return there / there.sum(dim=1, keepdim=True).clamp(min=1)
