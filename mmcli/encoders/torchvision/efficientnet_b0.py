"""EfficientNet-B0, trained on ImageNet: 1280 features per image."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._images import ImageNetwork


class EfficientnetB0(ImageNetwork):
    """EfficientNet-B0 up to the last feature map at one of its five sizes, of 16, 24, 40, 112 and 1280 channels.

    Source: Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, table 1.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    architecture: ClassVar[str] = "efficientnet_b0"
    url: ClassVar[str] = "https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth"
    stages: ClassVar[tuple[str, ...]] = ("features.1", "features.2", "features.3", "features.5", "features.8")
