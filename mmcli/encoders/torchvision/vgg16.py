"""VGG-16, trained on ImageNet: 512 features per image."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._images import ImageNetwork


class Vgg16(ImageNetwork):
    """VGG-16 up to the feature map of one of its five blocks, of 64, 128, 256, 512 and 512 channels, pooled.

    Its three fully connected layers, which need images of a fixed size, are left out.

    Source: Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition, table 1, D.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    architecture: ClassVar[str] = "vgg16"
    url: ClassVar[str] = "https://download.pytorch.org/models/vgg16-397923af.pth"
    stages: ClassVar[tuple[str, ...]] = ("features.4", "features.9", "features.16", "features.23", "features.30")
