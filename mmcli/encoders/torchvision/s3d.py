"""S3D, trained on Kinetics-400: 1024 features per video."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchvision._videos import VideoNetwork


class S3d(VideoNetwork):
    """Inception over space, then time, up to one of its five sizes, of 64, 192, 480, 832 and 1024 channels.

    It was trained on frames of 224 x 224 pixels.

    Source: Xie et al. 2018, Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs, figure 6.
    """

    kinds: ClassVar[tuple[str, ...]] = ("video",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, Kinetics-400"
    licence: ClassVar[str] = "BSD-3-Clause; Kinetics' videos are for research only"
    architecture: ClassVar[str] = "s3d"
    url: ClassVar[str] = "https://download.pytorch.org/models/s3d-d76dad2f.pth"
    stages: ClassVar[tuple[str, ...]] = ("features.0", "features.3", "features.6", "features.12", "features.15")
    clip: ClassVar[int] = 64
