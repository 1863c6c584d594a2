"""Shared by torchvision's video networks: clips, stages, weights, normalisation and the form of their features."""

from __future__ import annotations

from typing import ClassVar

import torch
import torchvision
from torch import Tensor, nn

from mmcli.encoders.torchvision._images import MapPool, load_part, up_to
from mmcli.models.folding import fold_batch_norms
from mmcli.models.forms import traced_form
from mmcli.models.frames import clip_inputs
from mmcli.models.limits import number_of_layer, require_between
from mmcli.models.pixels import scale_pixels
from mmcli.models.random import drawn_from
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_MOST_FRAMES = 512


class VideoNetwork(nn.Module):
    """A torchvision network over space and time, up to the feature map of one of its stages.

    Args:
        inputs: Videos, frames (3, H, W) uint8, used at their stored size.
        weights: ``default`` for torchvision's published Kinetics-400 weights, ``none`` for random ones, or a state
            dict in a ``.pth`` or ``.safetensors`` file; stages past ``layer`` and the classifier are ignored.
        frames: Number of frames in a clip; none is the number used in the network's training. Longer videos are
            sampled evenly, shorter ones repeat their last frame.
        pool: ``mean`` or ``max`` over space and time gives (C,); ``none`` gives the mean over space for each
            remaining time step, (T, C).
        layer: The stage whose feature map is used, from 1; -1 is the last.
        seed: Seed of random weights.

    Raises:
        MmcliError: The weights cannot be found or do not fit, there is no such stage, or the frames are too small
            or too few.
    """

    architecture: ClassVar[str]
    url: ClassVar[str]
    stages: ClassVar[tuple[str, ...]]
    """The last module of each stage."""
    clip: ClassVar[int]
    """The number of frames used in training."""
    mean: ClassVar[tuple[float, float, float]] = (0.43216, 0.394666, 0.37645)
    std: ClassVar[tuple[float, float, float]] = (0.22803, 0.22145, 0.216989)

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        weights: str = "default",
        frames: int | None = None,
        pool: MapPool = "mean",
        layer: int = -1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.weights = weights
        self.frames = frames
        self.pool = pool
        self.layer = layer
        self.seed = seed
        self.taken = self.clip if frames is None else frames
        require_between(self.architecture, "frames", self.taken, 1, _MOST_FRAMES)
        self.stage = number_of_layer(self.architecture, layer, len(self.stages))
        with drawn_from(seed):
            network = getattr(torchvision.models.video, self.architecture)(weights=None)
        self.body = up_to(network, self.stages[self.stage - 1])
        self._assets = load_part(self.body, network, weights, self.url)
        shape = (self.taken, *inputs.main.dims)
        what = f"{self.architecture} on {shape[0]} frames of {shape[2]} x {shape[3]} pixels"
        self.form = traced_form(self, what, (1, *shape))

    def output(self) -> FieldSpec:
        """Return (C,) or a sequence of (C,)."""
        return self.form

    def lengths(self, column: Column) -> Array | None:
        """Return None: all clips have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return clips (B, T, 3, H, W) of stored pixels."""
        del length
        return (clip_inputs(column, self.taken),)

    def forward(self, values: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of clips (B, T, 3, H, W) uint8."""
        pixels = scale_pixels(values, self.mean, self.std).transpose(1, 2)
        maps = self.maps(pixels.to(next(self.body.parameters()).dtype)).float()
        if self.pool == "mean":
            return maps.flatten(start_dim=2).mean(dim=2)
        if self.pool == "max":
            return maps.flatten(start_dim=2).amax(dim=2)
        steps = maps.mean(dim=(3, 4)).transpose(1, 2)
        return steps, torch.full((len(steps),), steps.shape[1], device=steps.device)

    def fold(self) -> None:
        """Fold batch norms into convolutions; from now on the network can only run frozen."""
        fold_batch_norms(self.body)

    def maps(self, pixels: Tensor) -> Tensor:
        """Return feature maps (B, C, T, H, W) from (B, 3, T, H, W)."""
        maps: Tensor = self.body(pixels)
        return maps

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of the weights file; nothing for random weights."""
        return dict(self._assets)
