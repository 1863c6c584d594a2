"""ResNet-50, trained on ImageNet: 2048 features per image."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._images import ImageNetwork


class Resnet50(ImageNetwork):
    """ResNet-50 up to the feature map of one of its four stages, of 256, 512, 1024 and 2048 channels.

    The published weights are torchvision's first, trained with plain cross-entropy: those of newer recipes, with label
    smoothing and mixed images, classify ImageNet better but transfer worse (Kornblith et al. 2021, Why Do Better Loss
    Functions Lead to Less Transferable Features?).

    Source: He et al. 2016, Deep Residual Learning for Image Recognition, table 1.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 2
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    architecture: ClassVar[str] = "resnet50"
    url: ClassVar[str] = "https://download.pytorch.org/models/resnet50-0676ba61.pth"
    stages: ClassVar[tuple[str, ...]] = ("layer1", "layer2", "layer3", "layer4")
