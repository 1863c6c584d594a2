"""Shared by torchvision's convolutional networks: stages, weights, normalisation and the form of their features."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal

import torch
import torchvision
from torch import Tensor, nn

from mmcli.models.folding import fold_batch_norms
from mmcli.models.forms import traced_form
from mmcli.models.inputs import dense_inputs
from mmcli.models.limits import number_of_layer
from mmcli.models.packing import pack_convolutions
from mmcli.models.pixels import IMAGENET_MEAN, IMAGENET_STD, scale_pixels
from mmcli.models.random import drawn_from
from mmcli.models.weights import find_weights, fit_weights, read_weights
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec
from mmcli.store.keys import file_digest

MapPool = Literal["mean", "max", "none"]


class ImageNetwork(nn.Module):
    """A torchvision network up to the feature map of one of its stages.

    Args:
        inputs: Images, (3, H, W) uint8, used at their stored size.
        weights: ``default`` for torchvision's published ImageNet weights, ``none`` for random weights, or a state dict
            in a ``.pth`` or ``.safetensors`` file; stages past ``layer`` and the classifier are ignored.
        pool: ``mean`` or ``max`` over the feature map gives (C,); ``none`` gives the map, (C, H, W).
        layer: The stage whose feature map is used, from 1; -1 is the last.
        seed: Seed of random weights.

    Raises:
        MmcliError: The weights cannot be found or do not fit, there is no such stage, or the images are too small.
    """

    architecture: ClassVar[str]
    url: ClassVar[str]
    stages: ClassVar[tuple[str, ...]]
    """The last module of each stage."""

    def __init__(
        self, inputs: ModalitySpec, *, weights: str = "default", pool: MapPool = "mean", layer: int = -1, seed: int = 0
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.weights = weights
        self.pool = pool
        self.layer = layer
        self.seed = seed
        self.stage = number_of_layer(self.architecture, layer, len(self.stages))
        with drawn_from(seed):
            network = getattr(torchvision.models, self.architecture)(weights=None)
        self.body: nn.Module = self.cut(network)
        self._assets = load_part(self.body, network, weights, self.url)
        shape = inputs.main.dims
        what = f"{self.architecture} on images of {shape[1]} x {shape[2]} pixels"
        self.form = traced_form(self, what, (1, *shape))

    def cut(self, network: nn.Module) -> nn.Sequential:
        """Return the needed part of a network; its modules keep their names."""
        return up_to(network, self.stages[self.stage - 1])

    def output(self) -> FieldSpec:
        """Return (C,) or (C, H, W)."""
        return self.form

    def lengths(self, column: Column) -> Array | None:
        """Return None: all images have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the stored pixels."""
        del length
        return (dense_inputs(column),)

    def forward(self, values: Tensor) -> Tensor:
        """Return the features of images (B, 3, H, W) uint8."""
        pixels = scale_pixels(values, IMAGENET_MEAN, IMAGENET_STD)
        maps = self.maps(pixels.to(next(self.body.parameters()).dtype))
        return maps if self.pool == "none" else self.pooled(maps)

    def maps(self, pixels: Tensor) -> Tensor:
        """Return feature maps (B, C, H, W)."""
        maps: Tensor = self.body(pixels)
        return maps

    def fold(self) -> None:
        """Fold batch norms into convolutions; from now on the network can only run frozen."""
        fold_batch_norms(self.body)

    def pack(self, rows: int) -> None:
        """Prepare the convolutions for batches of ``rows`` on the CPU, in their current precision."""
        size = (rows, *self.inputs.main.dims)
        pixels = torch.empty(size, dtype=next(self.body.parameters()).dtype, device="meta")
        self.body = pack_convolutions(self.body, pixels)

    def pooled(self, maps: Tensor) -> Tensor:
        """Return (B, C) from feature maps."""
        pixels = maps.float().flatten(start_dim=2)
        return pixels.mean(dim=2) if self.pool == "mean" else pixels.amax(dim=2)

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of the weights file; nothing for random weights."""
        return dict(self._assets)


def up_to(module: nn.Module, last: str) -> nn.Sequential:
    """Return the children up to and including ``last``, which may be nested (``features.4``), in order."""
    name, _, deeper = last.partition(".")
    kept: OrderedDict[str, nn.Module] = OrderedDict()
    for child_name, child in module.named_children():
        kept[child_name] = up_to(child, deeper) if child_name == name and deeper else child
        if child_name == name:
            break
    return nn.Sequential(kept)


def load_part(part: nn.Module, whole: nn.Module, weights: str, url: str) -> dict[str, str]:
    """Load weights into a part of a network, and return the hash of their file by option name.

    Args:
        part: A part of ``whole`` with the same module names.
        whole: The file may hold weights of all its modules; those outside ``part`` are ignored.
        weights: ``default``, ``none`` (keep the weights as they are) or a file.
        url: URL of the published weights.

    Raises:
        MmcliError: The weights cannot be found or do not fit.
    """
    path = find_weights(weights, url)
    if path is None:
        return {}
    kept = part.state_dict()
    owners = {name.rpartition(".")[0] + "." for name in whole.state_dict() if name not in kept}
    fit_weights(part, read_weights(path), path, unused=tuple(sorted(owners)))
    return {"weights": file_digest(path)}
