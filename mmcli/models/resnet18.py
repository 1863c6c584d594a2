"""ResNet-18, trained on ImageNet: 512 features of an image."""

from __future__ import annotations

from typing import ClassVar, Literal

import torchvision
from torch import Tensor, nn

from mmcli.models._inputs import dense_inputs
from mmcli.models._torchvision import feature_form, image_features, make_body
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
_CHANNELS = 512


class Resnet18(nn.Module):
    """ResNet-18 up to its last feature map.

    Args:
        inputs: Images, (3, H, W) uint8.
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
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"

    def __init__(
        self, inputs: ModalitySpec, *, weights: str = "default", pool: Literal["mean", "none"] = "mean", seed: int = 0
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.weights = weights
        self.pool = pool
        self.seed = seed
        self.body, self._assets = make_body(torchvision.models.resnet18, _URL, weights, seed)

    def output(self) -> FieldSpec:
        """Return (C,) or (C, H, W), a pixel of the map for every 32 of the image."""
        return feature_form(self.inputs, _CHANNELS, self.pool)

    def lengths(self, column: Column) -> Array | None:
        """All images are of one shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the stored pixels."""
        del length
        return (dense_inputs(column),)

    def forward(self, values: Tensor) -> Tensor:
        """Return the features of images (B, 3, H, W) uint8."""
        return image_features(self.body, values, self.pool)

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of the weights' file; nothing for random weights."""
        return dict(self._assets)
