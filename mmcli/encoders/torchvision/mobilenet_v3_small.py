"""MobileNetV3-Small, trained on ImageNet: 576 features per image, at low cost."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._images import ImageNetwork


class MobilenetV3Small(ImageNetwork):
    """MobileNetV3-Small up to the last feature map at one of its five sizes, of 16, 16, 24, 48 and 576 channels.

    Source: Howard et al. 2019, Searching for MobileNetV3, table 2.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    architecture: ClassVar[str] = "mobilenet_v3_small"
    url: ClassVar[str] = "https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth"
    stages: ClassVar[tuple[str, ...]] = ("features.0", "features.1", "features.3", "features.8", "features.12")
