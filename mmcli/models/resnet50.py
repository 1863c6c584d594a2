"""ResNet-50, trained on ImageNet: 2048 features of an image."""

from __future__ import annotations

from typing import ClassVar, Literal

import torchvision
from torch import Tensor, nn

from mmcli.models._torchvision import feature_form, image_features, make_body
from mmcli.store.columns import FieldSpec, ModalitySpec

_URL = "https://download.pytorch.org/models/resnet50-0676ba61.pth"
_CHANNELS = 2048


class Resnet50(nn.Module):
    """ResNet-50 up to its last feature map.

    The published weights are torchvision's first, of plain cross-entropy: those of newer recipes, with smoothed
    labels and mixed images, classify ImageNet better and transfer worse (Kornblith et al. 2021, Why Do Better Loss
    Functions Lead to Less Transferable Features?).

    Args:
        weights: ``default`` for torchvision's published ImageNet weights, ``none`` for random ones, or a state dict
            in a ``.pth`` or ``.safetensors`` file; a classifier in it is left out.
        pool: ``mean`` over the feature map gives (C,); ``none`` gives the map, (C, H, W).
        seed: Of random weights.

    Raises:
        MmcliError: The weights are not to be had, or do not fit.

    Source: He et al. 2016, Deep Residual Learning for Image Recognition, table 1.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "BSD-3-Clause (torchvision); trained on ImageNet, whose images are for research only"

    def __init__(self, *, weights: str = "default", pool: Literal["mean", "none"] = "mean", seed: int = 0) -> None:
        super().__init__()
        self.weights = weights
        self.pool = pool
        self.seed = seed
        self.body, self._assets = make_body(torchvision.models.resnet50, _URL, weights, seed)

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return (C,) or (C, H, W), a pixel of the map for every 32 of the image."""
        return feature_form(spec, _CHANNELS, self.pool)

    def forward(self, values: Tensor) -> Tensor:
        """Return the features of images (B, 3, H, W) uint8."""
        return image_features(self.body, values, self.pool)

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of the weights' file; nothing for random weights."""
        return dict(self._assets)
