"""Audio models of transformers, fed with the spectrograms of their feature extractors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from mmcli.encoders.hub._hf import find_folder, folder_assets, load_network, make_part, read_config, refusal
from mmcli.encoders.hub._hf_image import pool_places
from mmcli.models.forms import traced_form
from mmcli.models.sequence import feature_form, pool_steps
from mmcli.models.waveforms import FULL_SCALE, require_rate
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Ragged

_WHISPER, _AST = "whisper", "audio-spectrogram-transformer"
_STRIDE = 2  # mel frames per output of Whisper's encoder
_LEAST = 400  # samples in one 25 ms window


class AudioTower(nn.Module):
    """The encoder of Whisper, or an audio spectrogram transformer, with its feature extractor.

    Each takes sounds of a fixed length (Whisper 30 s, the other 10 s): shorter ones are padded as in training, longer
    ones are cut.

    Args:
        argument: The model's folder, or its name on the hub.
        inputs: Waveforms at the sample rate the model was trained on.
        pool: See ``Hf``.
        normalize: See ``Hf``.

    Raises:
        MmcliError: It cannot be loaded or is not such a model, or the waveforms have another sample rate.
    """

    def __init__(self, argument: str, inputs: ModalitySpec, pool: str, normalize: str) -> None:
        super().__init__()
        folder = find_folder(argument)
        config = read_config(folder)
        if config.model_type not in (_WHISPER, _AST):
            raise refusal(folder, config, "sound")
        self.pool = pool
        self.normalize = normalize == "true"
        self.whisper = config.model_type == _WHISPER
        network = load_network(transformers.AutoModel, folder, config, needed="encoder." if self.whisper else "")
        self.network = network.get_encoder() if self.whisper else network
        self.extractor: Any = make_part(transformers.AutoFeatureExtractor, folder)
        require_rate(f"hf:{argument}", inputs, self.extractor.sampling_rate)
        self.files = folder_assets(folder, folder)

    def output(self) -> FieldSpec:
        """Return (D,) or a sequence of (D,)."""
        config = self.network.config
        if self.whisper:
            return feature_form(config.d_model, self.pool, config.max_source_positions)
        return traced_form(self, "the model", (1, config.max_length, config.num_mel_bins))

    def lengths(self, column: Column) -> Array | None:
        """Return None: all spectrograms have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return spectrograms, (B, F, T) for Whisper, else (B, T, F); for Whisper also each row's output length."""
        del length
        tensor = column.main
        assert isinstance(tensor, Ragged)
        waveforms = [tensor.item(row).astype(np.float32) / FULL_SCALE for row in range(len(column))]
        waveforms = [np.pad(waveform, (0, max(0, _LEAST - len(waveform)))) for waveform in waveforms]
        found = self.extractor(waveforms, sampling_rate=self.extractor.sampling_rate, return_tensors="pt")
        if not self.whisper:
            return (found["input_values"],)
        step = self.extractor.hop_length * _STRIDE
        counts = [min(-(-len(waveform) // step), found["input_features"].shape[2] // _STRIDE) for waveform in waveforms]
        return found["input_features"], torch.tensor(counts)

    def forward(self, values: Tensor, counts: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of spectrograms."""
        found = self.network(values.to(next(self.network.parameters()).dtype))
        if counts is None:
            if self.pool == "auto":
                vectors = found.pooler_output.float()
            else:
                return pool_places(self.network, found.last_hidden_state.float(), self.pool, self.normalize)
        else:
            steps = found.last_hidden_state.float()
            if self.pool == "none":
                return steps, counts
            vectors = (
                steps[:, 0] if self.pool == "cls" else pool_steps(steps, counts, self.pool.replace("auto", "mean"))
            )
        return nn.functional.normalize(vectors, dim=1) if self.normalize else vectors
