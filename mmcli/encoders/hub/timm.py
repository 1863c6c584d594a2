"""Any image network of the timm package: timm:NAME, with its published weights or those in a file."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import timm
import torch
from torch import Tensor, nn

from mmcli.encoders.hub._hub import hub_files
from mmcli.encoders.hub._key_map import match_by_order, rename_by_rules, tell_match
from mmcli.errors import MmcliError
from mmcli.models.forms import traced_form
from mmcli.models.inputs import dense_inputs
from mmcli.models.pixels import resize_pixels, scale_pixels
from mmcli.models.random import drawn_from
from mmcli.models.weights import fit_weights, published_weights, read_weights
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec
from mmcli.store.keys import file_digest

_FILE = "model.safetensors"


class Timm(nn.Module):
    """A timm network without its classifier.

    Args:
        inputs: Images, (3, H, W) uint8; resized if the network takes only one size.
        argument: The network's name in timm, such as ``tf_efficientnet_lite0``, or ``NAME.TAG``.
        weights: ``default`` for those timm publishes (on the Hugging Face hub, from its cache), ``none`` for random
            weights, or a state dict in a ``.pth`` or ``.safetensors`` file, whose classifier is ignored.
        pool: ``auto`` is the input of the network's own classifier, (D,); ``mean`` and ``max`` over the feature map
            or the patches give (D,); ``none`` gives the map, (D, H, W), or the patches, (T, D).
        key_map: For files whose tensor names differ from timm's: ``order`` matches tensors by order and shape; a file
            of lines ``PATTERN => REPLACEMENT`` renames by regular expressions; ``none`` renames nothing.
        seed: Seed of random weights.

    Raises:
        MmcliError: There is no such network, its weights cannot be found or do not fit, or the images are too small.

    Source: Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "timm; each network's page on the hub says what it was trained on"
    licence: ClassVar[str] = "each network's own, named on its page on the hub"

    def __init__(
        self,
        inputs: ModalitySpec,
        argument: str = "",
        *,
        weights: str = "default",
        pool: Literal["auto", "mean", "max", "none"] = "auto",
        key_map: str = "none",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.argument = argument
        self.weights = weights
        self.pool = pool
        self.key_map = key_map
        self.seed = seed
        if not argument or not timm.is_model(argument.partition(".")[0]):
            near = get_close_matches(argument, timm.list_models(), n=3) or ["resnet50", "vit_base_patch16_224"]
            raise MmcliError(f"timm has no network {argument!r}: expected timm:NAME, such as {', '.join(near)}")
        with drawn_from(seed):
            try:
                self.body: Any = timm.create_model(argument, pretrained=False, num_classes=0)
            except RuntimeError as error:
                raise MmcliError(f"timm:{argument}: {str(error).partition(chr(10))[0]}") from None
        self.trained = dict(self.body.pretrained_cfg)
        self.loaded = ""
        self._assets = self._load()
        shape = inputs.main.dims
        self.form = traced_form(self, f"timm:{argument} on images of {shape[1]} x {shape[2]} pixels", (1, *shape))

    def _load(self) -> dict[str, str]:
        if self.weights == "none":
            return {}
        path = self._published() if self.weights == "default" else Path(self.weights)
        found = read_weights(path)
        assets = {"weights": file_digest(path)}
        if self.key_map == "order":
            weights, found = found, match_by_order(found, self.body.state_dict(), path)
            self.loaded = tell_match(weights, found)
        elif self.key_map != "none":
            found = rename_by_rules(found, Path(self.key_map))
            assets["key_map"] = file_digest(Path(self.key_map))
        named = self.trained.get("classifier") or ()
        heads = tuple(f"{name}." for name in ((named,) if isinstance(named, str) else named)) or ("classifier.",)
        try:
            fit_weights(self.body, found, path, unused=heads)
        except MmcliError as unfit:
            if self.key_map == "none" and not found.keys() & self.body.state_dict().keys():
                unfit = MmcliError(f"{unfit}: all names differ; try key_map=order or key_map=FILE with renaming rules")
            fit_weights(self.body, self._converted(found, unfit), path, unused=heads)
        return assets

    def _published(self) -> Path:
        repository, url = self.trained.get("hf_hub_id"), self.trained.get("url")
        if repository:
            path = hub_files(repository, [_FILE]) / _FILE
            if not path.is_file():
                raise MmcliError(
                    f"{path} does not exist: put https://huggingface.co/{repository}/resolve/main/{_FILE} there"
                )
            return path
        if url and url.endswith((".pth", ".safetensors")):
            return published_weights(url)
        raise MmcliError(f"timm publishes no readable weights for {self.argument}: use weights=FILE or weights=none")

    def _converted(self, found: dict[str, Tensor], unfit: MmcliError) -> dict[str, Tensor]:
        """Convert the original authors' tensors with timm's own converter, if it has one."""
        convert = getattr(import_module(type(self.body).__module__), "checkpoint_filter_fn", None)
        if convert is None:
            raise unfit
        try:
            return dict(convert(found, self.body))
        except Exception:  # on files that do not fit, the converter raises anything
            raise unfit from None

    def output(self) -> FieldSpec:
        """Return (D,), (D, H, W) or a sequence of (D,)."""
        return self.form

    def lengths(self, column: Column) -> Array | None:
        """Return None: all images have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the stored pixels."""
        del length
        return (dense_inputs(column),)

    def forward(self, values: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of images (B, 3, H, W) uint8."""
        if self.trained.get("fixed_input_size"):
            _, height, width = self.trained["input_size"]
            mode = "bilinear" if self.trained.get("interpolation") == "bilinear" else "bicubic"
            values = resize_pixels(values, height, width, mode)
        pixels = scale_pixels(values, self.trained["mean"], self.trained["std"])
        found: Tensor = self.body.forward_features(pixels.to(next(self.body.parameters()).dtype))
        if self.pool == "auto":
            vectors: Tensor = self.body.forward_head(found, pre_logits=True)
            return vectors.float()
        return self._places(found.float())

    def _places(self, found: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of each position, pooled or not."""
        if found.dim() == 4 and getattr(self.body, "output_fmt", "NCHW") == "NHWC":
            found = found.permute(0, 3, 1, 2)
        if found.dim() == 4 and self.pool == "none":
            return found
        prefix = getattr(self.body, "num_prefix_tokens", 0)
        steps = found.flatten(start_dim=2).transpose(1, 2) if found.dim() == 4 else found[:, prefix:]
        if self.pool == "none":
            return steps, torch.full((len(steps),), steps.shape[1], device=steps.device)
        return steps.mean(dim=1) if self.pool == "mean" else steps.amax(dim=1)

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of the weights file and of the rules; nothing for random weights."""
        return dict(self._assets)
