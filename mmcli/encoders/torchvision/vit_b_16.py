"""ViT-B/16, a vision transformer trained on ImageNet: 768 features per image."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from mmcli.errors import MmcliError
from mmcli.models.forms import traced_form
from mmcli.models.inputs import dense_inputs
from mmcli.models.limits import number_of_layer
from mmcli.models.pixels import IMAGENET_MEAN, IMAGENET_STD, scale_pixels
from mmcli.models.random import drawn_from
from mmcli.models.weights import find_weights, fit_weights, read_weights
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec
from mmcli.store.keys import file_digest

_PATCH = 16
_LAYERS = 12
_POSITIONS = "encoder.pos_embedding"


class VitB16(nn.Module):
    """ViT-Base with patches of 16 x 16 pixels; position embeddings are interpolated for images other than 224 pixels.

    Args:
        inputs: Images, (3, H, H) uint8, H a multiple of 16.
        weights: ``default`` for torchvision's published ImageNet weights, ``none`` for random weights, or a state dict
            in a ``.pth`` or ``.safetensors`` file; layers past ``layer`` and the classifier are ignored.
        pool: ``cls``, the class token, or ``mean`` over the patches gives (D,); ``none`` gives the patches, row by
            row, as a sequence (T, D).
        layer: The layer whose outputs are used, from 1 to 12; -1 is the last, and the only one that is normalised.
        seed: Seed of random weights.

    Raises:
        MmcliError: The weights cannot be found or do not fit, or the images have an unsupported shape.

    Source: Dosovitskiy et al. 2021, An Image Is Worth 16x16 Words, table 1; section 3.2 for the interpolation.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchvision, ImageNet-1k"
    licence: ClassVar[str] = "BSD-3-Clause; ImageNet's images are for research only"
    url: ClassVar[str] = "https://download.pytorch.org/models/vit_b_16-c867db91.pth"

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        weights: str = "default",
        pool: Literal["cls", "mean", "none"] = "cls",
        layer: int = -1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.weights = weights
        self.pool = pool
        self.layer = layer
        self.seed = seed
        height, width = inputs.main.dims[1:]
        if height != width or height % _PATCH:
            raise MmcliError(
                f"vit_b_16 takes square images whose side is a multiple of {_PATCH}, not {height} x {width}: "
                "preprocess with --image-size 224"
            )
        number = number_of_layer("vit_b_16", layer, _LAYERS)
        with drawn_from(seed):
            network = torchvision.models.vit_b_16(weights=None, image_size=height)
        network.heads = nn.Identity()
        network.encoder.layers = network.encoder.layers[:number]
        if number < _LAYERS:
            network.encoder.ln = nn.Identity()
        self.body = network
        self._assets = self._load(height, number)
        self.form = traced_form(self, "vit_b_16 on these images", (1, *inputs.main.dims))

    def _load(self, side: int, number: int) -> dict[str, str]:
        path = find_weights(self.weights, self.url)
        if path is None:
            return {}
        found = read_weights(path)
        if _POSITIONS in found:
            try:
                found = dict(interpolate_embeddings(side, _PATCH, found))
            except (ValueError, RuntimeError) as error:
                raise MmcliError(f"{path}: {_POSITIONS} does not form a square of patches: {error}") from None
        later = tuple(f"encoder.layers.encoder_layer_{index}." for index in range(number, _LAYERS))
        unused = ("heads.", *later, *(() if number == _LAYERS else ("encoder.ln.",)))
        fit_weights(self.body, found, path, unused=unused)
        return {"weights": file_digest(path)}

    def output(self) -> FieldSpec:
        """Return (D,) or a sequence of (D,)."""
        return self.form

    def lengths(self, column: Column) -> Array | None:
        """Return None: all images have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the stored pixels."""
        del length
        return (dense_inputs(column),)

    def forward(self, values: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of images (B, 3, H, H) uint8."""
        pixels = scale_pixels(values, IMAGENET_MEAN, IMAGENET_STD).to(self.body.class_token.dtype)
        patches = self.body.conv_proj(pixels).flatten(start_dim=2).transpose(1, 2)
        first = self.body.class_token.expand(len(patches), -1, -1)
        tokens: Tensor = self.body.encoder(torch.cat([first, patches], dim=1)).float()
        if self.pool == "cls":
            return tokens[:, 0]
        if self.pool == "mean":
            return tokens[:, 1:].mean(dim=1)
        steps = tokens[:, 1:]
        return steps, torch.full((len(steps),), steps.shape[1], device=steps.device)

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of the weights file; nothing for random weights."""
        return dict(self._assets)
