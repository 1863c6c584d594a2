"""Video Swin-T, trained on Kinetics-400: 768 features per video."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from mmcli.encoders.torchvision._videos import VideoNetwork


class Swin3dT(VideoNetwork):
    """The tiny video Swin transformer up to one of its four stages, of 96, 192, 384 and 768 channels.

    It was trained on frames of 224 x 224 pixels.

    Source: Liu et al. 2022, Video Swin Transformer, section 3.2.
    """

    kinds: ClassVar[tuple[str, ...]] = ("video",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, Kinetics-400"
    licence: ClassVar[str] = "BSD-3-Clause; Kinetics' videos are for research only"
    architecture: ClassVar[str] = "swin3d_t"
    url: ClassVar[str] = "https://download.pytorch.org/models/swin3d_t-7615ae03.pth"
    stages: ClassVar[tuple[str, ...]] = ("features.0", "features.2", "features.4", "norm")
    clip: ClassVar[int] = 32
    mean: ClassVar[tuple[float, float, float]] = (0.485, 0.456, 0.406)
    std: ClassVar[tuple[float, float, float]] = (0.229, 0.224, 0.225)

    def maps(self, pixels: Tensor) -> Tensor:
        """Return feature maps (B, C, T, H, W) from (B, 3, T, H, W)."""
        maps: Tensor = self.body(pixels)
        return maps.permute(0, 4, 1, 2, 3)
