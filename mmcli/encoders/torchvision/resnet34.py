"""ResNet-34, trained on ImageNet: 512 features per image."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._images import ImageNetwork


class Resnet34(ImageNetwork):
    """ResNet-34 up to the feature map of one of its four stages, of 64, 128, 256 and 512 channels.

    Source: He et al. 2016, Deep Residual Learning for Image Recognition, table 1.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    architecture: ClassVar[str] = "resnet34"
    url: ClassVar[str] = "https://download.pytorch.org/models/resnet34-b627a593.pth"
    stages: ClassVar[tuple[str, ...]] = ("layer1", "layer2", "layer3", "layer4")
