"""MobileNetV3-Large, trained on ImageNet: 960 features per image, at low cost."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._images import ImageNetwork


class MobilenetV3Large(ImageNetwork):
    """MobileNetV3-Large up to the last feature map at one of its five sizes, of 16, 24, 40, 112 and 960 channels.

    Source: Howard et al. 2019, Searching for MobileNetV3, table 1.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    architecture: ClassVar[str] = "mobilenet_v3_large"
    url: ClassVar[str] = "https://download.pytorch.org/models/mobilenet_v3_large-8738ca79.pth"
    stages: ClassVar[tuple[str, ...]] = ("features.1", "features.3", "features.6", "features.12", "features.16")
