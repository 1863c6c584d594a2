"""ConvNeXt-Tiny, trained on ImageNet: 768 features per image."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mmcli.encoders.torchvision._images import ImageNetwork


class ConvnextTiny(ImageNetwork):
    """ConvNeXt-Tiny up to the feature map of one of its four stages, of 96, 192, 384 and 768 channels.

    Pooled features of the last stage pass through the layer normalisation before the classifier.

    Source: Liu et al. 2022, A ConvNet for the 2020s, table 9.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    architecture: ClassVar[str] = "convnext_tiny"
    url: ClassVar[str] = "https://download.pytorch.org/models/convnext_tiny-983f1562.pth"
    stages: ClassVar[tuple[str, ...]] = ("features.1", "features.3", "features.5", "features.7")

    def cut(self, network: nn.Module) -> nn.Sequential:
        """Return the stages, and after the last one the layer normalisation."""
        body = super().cut(network)
        if self.stage == len(self.stages):
            body.add_module("classifier", network.get_submodule("classifier")[:1])  # type: ignore[index]
        return body

    def maps(self, pixels: Tensor) -> Tensor:
        """Return feature maps (B, C, H, W)."""
        maps: Tensor = self.body.get_submodule("features")(pixels)
        return maps

    def pooled(self, maps: Tensor) -> Tensor:
        """Return (B, C) from feature maps."""
        vectors = super().pooled(maps)
        if self.stage < len(self.stages):
            return vectors
        normalised: Tensor = self.body.get_submodule("classifier")(vectors.to(maps.dtype)[:, :, None, None])
        return normalised.flatten(start_dim=1).float()

    def pack(self, rows: int) -> None:
        """Do nothing: its depthwise convolutions gain nothing from packing."""
