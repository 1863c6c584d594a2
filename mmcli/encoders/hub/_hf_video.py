"""Video models of transformers, fed with clips of the frame count they take, prepared as their processors do."""

from __future__ import annotations

import transformers
from torch import Tensor, nn

from mmcli.encoders.hub._hf import find_folder, folder_assets, load_network, read_config, refusal
from mmcli.encoders.hub._hf_image import VIDEO_TYPES, PixelRecipe, pool_places
from mmcli.models.forms import traced_form
from mmcli.models.frames import clip_inputs
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec


class VideoTower(nn.Module):
    """A video encoder with its processor.

    Args:
        argument: The model's folder, or its name on the hub.
        inputs: Frames, (3, H, W) uint8.
        pool: See ``Hf``.
        normalize: See ``Hf``.

    Raises:
        MmcliError: It cannot be loaded, or is not a video model.
    """

    def __init__(self, argument: str, inputs: ModalitySpec, pool: str, normalize: str) -> None:
        super().__init__()
        folder = find_folder(argument)
        config = read_config(folder)
        if config.model_type not in VIDEO_TYPES:
            raise refusal(folder, config, "videos")
        self.pool = pool
        self.normalize = normalize == "true"
        self.frames = int(config.num_frames)
        self.network = load_network(transformers.AutoModel, folder, config)
        self.recipe = PixelRecipe(folder)
        self.files = folder_assets(folder, folder)
        self.form = traced_form(self, f"{argument} on videos of this size", (1, self.frames, *inputs.main.dims))

    def output(self) -> FieldSpec:
        """Return (D,) or a sequence of (D,)."""
        return self.form

    def lengths(self, column: Column) -> Array | None:
        """Return None: all clips have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return clips (B, T, 3, H, W) of stored pixels."""
        del length
        return (clip_inputs(column, self.frames),)

    def forward(self, values: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of clips (B, T, 3, H, W) uint8."""
        frames = self.recipe.prepare(values.flatten(end_dim=1))
        pixels = frames.view(*values.shape[:2], *frames.shape[1:])
        found = self.network(pixel_values=pixels.to(next(self.network.parameters()).dtype))
        return pool_places(self.network, found.last_hidden_state.float(), self.pool, self.normalize)
