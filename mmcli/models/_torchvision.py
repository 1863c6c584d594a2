"""What torchvision's image networks share: their weights, their normalisation and the form of their features."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from mmcli.models.weights import fit_weights, published_weights, read_weights
from mmcli.store.columns import FieldSpec, ModalitySpec
from mmcli.store.keys import file_digest

Pool = Literal["mean", "none"]
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_REDUCTION = 32


def make_body(make: Callable[..., nn.Module], url: str, weights: str, seed: int) -> tuple[nn.Module, dict[str, str]]:
    """Return a network up to its last feature map, and the hash of its weights' file.

    Args:
        make: A constructor of torchvision.models.
        url: The published weights.
        weights: ``default`` for those, ``none`` for random ones, or a file.
        seed: Of random weights.

    Raises:
        MmcliError: The weights are not to be had, or do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make(weights=None)
    layers = OrderedDict((name, layer) for name, layer in network.named_children() if name not in ("avgpool", "fc"))
    body = nn.Sequential(layers)
    if weights == "none":
        return body, {}
    path = published_weights(url) if weights == "default" else Path(weights)
    fit_weights(body, read_weights(path), path, unused=("fc.",))
    return body, {"weights": file_digest(path)}


def image_features(body: nn.Module, images: Tensor, pool: Pool) -> Tensor:
    """Return the features of images (B, 3, H, W) uint8: (B, C), or feature maps (B, C, H, W)."""
    mean, std = (torch.tensor(values, device=images.device).mul(255).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    normalised = ((images.float() - mean) / std).to(next(body.parameters()).dtype)
    maps: Tensor = body(normalised)
    return maps.float().mean(dim=(2, 3)) if pool == "mean" else maps


def feature_form(inputs: ModalitySpec, channels: int, pool: Pool) -> FieldSpec:
    """Return the form of the features of images of the size that ``inputs`` says."""
    if pool == "mean":
        return FieldSpec("dense", "float32", (channels,), "D")
    height, width = (-(-side // _REDUCTION) for side in inputs.main.dims[1:])
    return FieldSpec("dense", "float32", (channels, height, width), "CHW")
