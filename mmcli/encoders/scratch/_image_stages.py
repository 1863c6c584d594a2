"""Shared by image and frame encoders trained from scratch: pixels in, feature maps out."""

from __future__ import annotations

from torch import Tensor, nn

from mmcli.models.residual import ResidualStages

_MIDDLE, _SPREAD = 127.5, 64.0
_SMALL, _MEDIUM = 40, 112


class ImageStages(nn.Module):
    """Feature maps of images of one size; the first convolution downsamples large images.

    Args:
        height: Image height in pixels.
        width: Image width in pixels.
        channels: Channels of the first stage; each later stage doubles them.
        depth: Number of stages, each halving the sides.
        dim: Channels of the feature map.
    """

    def __init__(self, height: int, width: int, channels: int, depth: int, dim: int) -> None:
        super().__init__()
        longest = max(height, width)
        stride = 1 if longest <= _SMALL else 2 if longest <= _MEDIUM else 4
        self.stages = ResidualStages(3, channels, depth, stride)
        self.last = nn.Conv2d(self.stages.channels, dim, 1)
        self.reductions = (stride, *(2,) * depth)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B, D, H', W') from pixels (B, 3, H, W) uint8."""
        scaled = ((pixels.float() - _MIDDLE) / _SPREAD).to(self.last.weight.dtype)
        maps: Tensor = self.last(self.stages(scaled)).relu()
        return maps

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (H', W')."""
        for reduction in self.reductions:
            height, width = -(-height // reduction), -(-width // reduction)
        return height, width
