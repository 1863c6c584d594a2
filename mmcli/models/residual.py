"""Residual convolutions shared by images, frames and spectrograms; padding after a sequence's end stays zero."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

_GROUP = 16
_EPSILON = 1e-5


class ResidualStages(nn.Module):
    """A first convolution, then stages of residual blocks; each stage halves the sides and doubles the channels.

    Args:
        in_channels: Channels of the input.
        width: Channels of the first convolution and of the first stage.
        depth: Number of stages, of one block each.
        stem_stride: Stride of the first convolution.

    Source: He et al. 2016, Deep Residual Learning for Image Recognition, section 3.3; Wu and He 2018, Group
    Normalization, with statistics that exclude padding.
    """

    def __init__(self, in_channels: int, width: int, depth: int, stem_stride: int = 1) -> None:
        super().__init__()
        kernel = 3 if stem_stride == 1 else 2 * stem_stride + 1
        self.stem = nn.Conv2d(in_channels, width, kernel, stem_stride, kernel // 2, bias=False)
        self.stem_norm = InsideNorm(width)
        widths = [width, *(width * 2**stage for stage in range(depth))]
        self.blocks = nn.ModuleList(_Block(before, after) for before, after in pairwise(widths))
        self.stem_stride = stem_stride
        self.channels = widths[-1]

    def forward(self, values: Tensor, own: Tensor | None = None) -> Tensor:
        """Return (B, C', H', W') from (B, C, H, W).

        Args:
            values: The input.
            own: (B, W) bool, false for the padding columns, which are zero; None if there is no padding.
        """
        mask = None if own is None else own[:, None, None, :: self.stem_stride]
        values = self.stem_norm(self.stem(values), mask).relu()
        for block in self.blocks:
            values, mask = block(values, mask)
        return values


class _Block(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, 2, 1, bias=False)
        self.first_norm = InsideNorm(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.second_norm = InsideNorm(after)
        self.shortcut = nn.Conv2d(before, after, 1, 2, bias=False)
        self.shortcut_norm = InsideNorm(after)

    def forward(self, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        halved = None if mask is None else mask[..., ::2]
        found = self.first_norm(self.first(values), halved).relu()
        found = self.second_norm(self.second(found), halved)
        return (found + self.shortcut_norm(self.shortcut(values), halved)).relu(), halved


class InsideNorm(nn.Module):
    """Group normalisation over each row without its padding; the padding becomes zeros."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = max(1, channels // _GROUP) if channels % _GROUP == 0 else 1
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Return (B, C, H, W); ``mask`` is (B, 1, 1, W)."""
        if mask is None:
            # Channels first: with channels last, torch 2.14 splits a row's sums among threads by its position in
            # the batch, and its backward writes out of bounds for small groups.
            return nn.functional.group_norm(values.contiguous(), self.groups, self.weight, self.bias, _EPSILON)
        rows, channels, height, width = values.shape
        grouped = torch.where(mask, values, 0.0).reshape(rows, self.groups, -1, height, width)
        count = (mask.sum(dim=(1, 2, 3)) * (channels // self.groups * height)).clamp(min=1).unsqueeze(1)
        mean = grouped.sum(dim=(2, 3, 4), dtype=torch.float32) / count
        square = grouped.square().sum(dim=(2, 3, 4), dtype=torch.float32) / count
        scale = torch.rsqrt((square - mean.square()).clamp(min=0) + _EPSILON)
        slope = scale.repeat_interleave(channels // self.groups, dim=1) * self.weight
        shift = self.bias - mean.repeat_interleave(channels // self.groups, dim=1) * slope
        slope, shift = slope.to(values.dtype)[..., None, None], shift.to(values.dtype)[..., None, None]
        return torch.where(mask, values * slope + shift, 0.0)
