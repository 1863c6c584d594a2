"""ResNet3D-18, trained on Kinetics-400: 512 features per video."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._videos import VideoNetwork


class R3d18(VideoNetwork):
    """ResNet-18 with 3D convolutions, up to one of its four stages, of 64, 128, 256 and 512 channels.

    It was trained on frames of 112 x 112 pixels.

    Source: Tran et al. 2018, A Closer Look at Spatiotemporal Convolutions for Action Recognition, table 1, R3D.
    """

    kinds: ClassVar[tuple[str, ...]] = ("video",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, Kinetics-400"
    licence: ClassVar[str] = "BSD-3-Clause; Kinetics' videos are for research only"
    architecture: ClassVar[str] = "r3d_18"
    url: ClassVar[str] = "https://download.pytorch.org/models/r3d_18-b3b3357e.pth"
    stages: ClassVar[tuple[str, ...]] = ("layer1", "layer2", "layer3", "layer4")
    clip: ClassVar[int] = 16
