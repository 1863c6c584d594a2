"""Shared by torchaudio's pretrained speech networks: weights, waveforms, and results unaffected by padding."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
import torchaudio
from torch import Tensor, nn

from mmcli.models.inputs import bucketed, padded_inputs
from mmcli.models.limits import number_of_layer
from mmcli.models.random import drawn_from
from mmcli.models.sequence import feature_form, inside, pool_steps
from mmcli.models.waveforms import FULL_SCALE, require_rate
from mmcli.models.weights import find_weights, fit_weights, read_weights
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec
from mmcli.store.keys import file_digest

_URL = "https://download.pytorch.org/torchaudio/models/"
_RATE = 16000
_STEP = 320  # samples from frame to frame, 20 ms
_FIELD = 400  # samples in a frame's receptive field
_BUCKET = 25  # frames, half a second
_LONGEST = 2**40
_LAYERS = 12
_DIM = 768
_OLD_NAMES = {"conv.weight_g": "conv.parametrizations.weight.original0",
              "conv.weight_v": "conv.parametrizations.weight.original1"}  # fmt: skip


class SpeechNetwork(nn.Module):
    """A torchaudio network that maps a waveform to one vector per 20 ms.

    Args:
        inputs: Waveforms, (S,) int16 at 16,000 Hz.
        weights: ``default`` for the published ones, ``none`` for random weights, or a state dict in a ``.pth`` or
            ``.safetensors`` file; layers past ``layer`` in it are ignored.
        pool: ``mean`` or ``max`` over the frames gives (D,); ``none`` gives them all, (T, D).
        layer: The layer whose outputs are used, from 1 to 12; -1 is the last.
        seed: Seed of random weights.

    Raises:
        MmcliError: The weights cannot be found or do not fit, or the waveforms have another sample rate.
    """

    architecture: ClassVar[str]
    file: ClassVar[str]
    """The name of the published weights."""

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        weights: str = "default",
        pool: Literal["mean", "max", "none"] = "mean",
        layer: int = -1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.weights = weights
        self.pool = pool
        self.layer = layer
        self.seed = seed
        require_rate(self.architecture, inputs, _RATE)
        number = number_of_layer(self.architecture, layer, _LAYERS)
        with drawn_from(seed):
            network: Any = getattr(torchaudio.models, self.architecture)()
        network.encoder.transformer.layers = network.encoder.transformer.layers[:number]
        self.body = network
        self._assets = self._load(number)

    def _load(self, number: int) -> dict[str, str]:
        path = find_weights(self.weights, _URL + self.file)
        if path is None:
            return {}
        found = read_weights(path)
        for old, new in _OLD_NAMES.items():
            found = {name.removesuffix(old) + new if name.endswith(old) else name: found[name] for name in found}
        later = tuple(f"encoder.transformer.layers.{index}." for index in range(number, _LAYERS))
        fit_weights(self.body, found, path, unused=("aux.", *later))
        return {"weights": file_digest(path)}

    def output(self) -> FieldSpec:
        """Return (D,) or a sequence of (D,)."""
        return feature_form(_DIM, self.pool, -(-self.inputs.main.bound // _STEP))

    def lengths(self, column: Column) -> Array | None:
        """Return the padded length of each waveform in steps of 20 ms."""
        rounded: Array = bucketed(column, _STEP * _BUCKET, _LONGEST) // _STEP
        return rounded

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return waveforms (B, S) int16 and their lengths in samples, (B,)."""
        assert length is not None
        return padded_inputs(column, max(length * _STEP, _FIELD))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of waveforms (B, S) int16.

        A waveform shorter than one frame's receptive field, 25 ms, is padded with silence; other padding is ignored.
        """
        frames, counts = self._frames(values, lengths.clamp(min=_FIELD))
        steps = self._encode(frames, counts).float()
        return (steps, counts) if self.pool == "none" else pool_steps(steps, counts, self.pool)

    def _frames(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the convolutions' outputs (B, T, C), and the number of frames of each row.

        The first layer's normalisation over time uses only a row's own frames.
        """
        layers = self.body.feature_extractor.conv_layers
        found = (values.float() / FULL_SCALE).to(layers[0].conv.weight.dtype).unsqueeze(1)
        for layer in layers:
            found = layer.conv(found)
            lengths = torch.div(lengths - layer.kernel_size, layer.stride, rounding_mode="floor") + 1
            if layer.layer_norm is not None:
                found = _normalise_own(found, lengths, layer.layer_norm)
            found = nn.functional.gelu(found)
        return found.transpose(1, 2), lengths

    def _encode(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Return the outputs of the last layer, (B, T, D)."""
        encoder = self.body.encoder
        own = inside(counts, frames.shape[1])
        values: Tensor = torch.where(own.unsqueeze(2), encoder.feature_projection(frames), 0.0)
        transformer = encoder.transformer
        values = values + transformer.pos_conv_embed(values)
        if transformer.layer_norm_first:
            values = transformer.layer_norm(values)
        values = transformer.dropout(values)
        bias = None
        for layer in transformer.layers:
            values, bias = layer(values, position_bias=bias, **self.attended(own, values))
        return values

    def attended(self, own: Tensor, values: Tensor) -> dict[str, Tensor]:
        """Return the arguments that restrict a layer's attention to a row's own frames."""
        outside = torch.where(own, 0.0, -torch.inf).to(values.dtype)[:, None, None]
        return {"attention_mask": outside.expand(-1, 1, own.shape[1], -1)}

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of the weights file; nothing for random weights."""
        return dict(self._assets)


def _normalise_own(values: Tensor, counts: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Normalise each channel of (B, C, T) over the row's own frames."""
    own = inside(counts, values.shape[2]).unsqueeze(1)
    total = counts.view(-1, 1, 1)
    wide = torch.where(own, values.float(), 0.0)
    mean = wide.sum(dim=2, keepdim=True) / total
    variance = torch.where(own, (wide - mean).square(), 0.0).sum(dim=2, keepdim=True) / total
    normalised = ((wide - mean) / (variance + norm.eps).sqrt()).to(values.dtype)
    return normalised * norm.weight.view(1, -1, 1) + norm.bias.view(1, -1, 1)
