"""Image models of transformers; resizing, cropping and normalising follow their processors, on the device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from mmcli.encoders.hub._hf import (
    find_folder,
    folder_assets,
    load_network,
    make_part,
    read_config,
    refusal,
    takes,
    tower_config,
)
from mmcli.models.forms import traced_form
from mmcli.models.inputs import dense_inputs
from mmcli.models.pixels import resize_pixels, scale_pixels
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_BILINEAR = 2
VIDEO_TYPES = ("videomae", "vivit", "timesformer")


class PixelRecipe:
    """A model's image preprocessing.

    Args:
        folder: The model's folder.

    Raises:
        MmcliError: It has no image processor.
    """

    def __init__(self, folder: Path) -> None:
        processor = make_part(transformers.AutoImageProcessor, folder)
        size, crop = (dict(getattr(processor, name, None) or {}) for name in ("size", "crop_size"))
        self.shortest: int | None = size.get("shortest_edge") if processor.do_resize else None
        self.size = _sides(size) if processor.do_resize else None
        self.crop = _sides(crop) if getattr(processor, "do_center_crop", False) else None
        self.mode = "bilinear" if processor.resample == _BILINEAR else "bicubic"
        self.mean = tuple(processor.image_mean) if processor.do_normalize else (0.0, 0.0, 0.0)
        self.std = tuple(processor.image_std) if processor.do_normalize else (1.0, 1.0, 1.0)

    def prepare(self, pixels: Tensor) -> Tensor:
        """Return normalised pixels (B, 3, H', W') float32 from (B, 3, H, W) uint8."""
        height, width = (int(side) for side in pixels.shape[-2:])
        if self.shortest:
            share = self.shortest / min(height, width)
            height, width = round(height * share), round(width * share)
        elif self.size is not None:
            height, width = self.size
        pixels = resize_pixels(pixels, height, width, self.mode)
        if self.crop is not None:
            top, left = (height - self.crop[0]) // 2, (width - self.crop[1]) // 2
            pixels = pixels[..., max(top, 0) : max(top, 0) + self.crop[0], max(left, 0) : max(left, 0) + self.crop[1]]
        return scale_pixels(pixels, self.mean, self.std)


def _sides(size: Mapping[str, int | None]) -> tuple[int, int] | None:
    height, width = size.get("height"), size.get("width")
    return (height, width) if height and width else None


class ImageTower(nn.Module):
    """An image encoder with its processor.

    Args:
        argument: The model's folder, or its name on the hub.
        inputs: Images, (3, H, W) uint8.
        pool: See ``Hf``.
        normalize: See ``Hf``.

    Raises:
        MmcliError: It cannot be loaded, or is not an image model.
    """

    def __init__(self, argument: str, inputs: ModalitySpec, pool: str, normalize: str) -> None:
        super().__init__()
        folder = find_folder(argument)
        config = read_config(folder)
        self.model_type = str(config.model_type)
        self.pool = pool
        self.normalize = normalize == "true"
        self.network = load_network(_kind_of(folder, config), folder, tower_config(config, "vision_config"))
        self.recipe = PixelRecipe(folder)
        self.files = folder_assets(folder, folder)
        self.form = traced_form(self, f"{argument} on images of this size", (1, *inputs.main.dims))

    def output(self) -> FieldSpec:
        """Return (D,), a map (D, H, W) or a sequence of (D,)."""
        return self.form

    def lengths(self, column: Column) -> Array | None:
        """Return None: all images have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the stored pixels."""
        del length
        return (dense_inputs(column),)

    def forward(self, values: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of images (B, 3, H, W) uint8."""
        pixels = self.recipe.prepare(values)
        found = self.network(pixel_values=pixels.to(next(self.network.parameters()).dtype))
        if self.pool == "auto" and self.model_type in ("clip", "siglip"):
            vectors = (found.image_embeds if self.model_type == "clip" else found.pooler_output).float()
            return nn.functional.normalize(vectors, dim=1) if self.normalize else vectors
        return pool_places(self.network, found.last_hidden_state.float(), self.pool, self.normalize)


def pool_places(network: Any, found: Tensor, pool: str, normalize: bool) -> Tensor | tuple[Tensor, Tensor]:
    """Return one vector per row, or with ``none`` the features of each patch.

    Args:
        network: Its class and other special tokens precede the patches and are not pooled.
        found: (B, T, D), or a map (B, D, H, W).
        pool: ``auto`` is the class token if there is one, else the mean.
        normalize: Scale vectors to length 1.
    """
    if found.dim() == 4 and pool == "none":
        return found
    before = 0 if found.dim() == 4 else _tokens_before(network)
    places = found.flatten(start_dim=2).transpose(1, 2) if found.dim() == 4 else found[:, before:]
    if pool == "none":
        return places, torch.full((len(places),), places.shape[1], device=places.device)
    if pool == "cls" or (pool == "auto" and before):
        vectors = found[:, 0] if found.dim() == 3 else places.mean(dim=1)
    else:
        vectors = places.amax(dim=1) if pool == "max" else places.mean(dim=1)
    return nn.functional.normalize(vectors, dim=1) if normalize else vectors


def _tokens_before(network: Any) -> int:
    """Return the number of tokens before the patches: class, distillation and registers."""
    last = {name.rpartition(".")[2] for name, _ in network.named_parameters()}
    single = bool(last & {"cls_token", "class_embedding"}) + ("distillation_token" in last)
    return single + int(getattr(network.config, "num_register_tokens", 0) or 0)


def _kind_of(folder: Path, config: Any) -> Any:
    if config.model_type == "clip":
        return transformers.CLIPVisionModelWithProjection
    if config.model_type == "siglip":
        return transformers.SiglipVisionModel
    if takes(config) == "pixel_values" and config.model_type not in VIDEO_TYPES and not config.is_encoder_decoder:
        return transformers.AutoModel
    raise refusal(folder, config, "images")
