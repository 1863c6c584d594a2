"""Bidirectional LSTM on the frames of the mel spectrogram, trained from scratch."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from mmcli.encoders.scratch._mel_frames import MelFrames, mask_spectrogram, sound_inputs, sound_lengths
from mmcli.encoders.scratch._recurrent import POOLS, BothDirections
from mmcli.models.limits import DEEPEST, require_between, require_even, require_one_of, require_share
from mmcli.models.random import drawn_from
from mmcli.models.sequence import feature_form
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_FEWEST_MELS, _MOST_MELS = 8, 512
_STACKED = 4


class AudioLstm(nn.Module):
    """A bidirectional LSTM over steps of four mel frames, 40 ms.

    ``spec_augment``, from 0 to 1, is the strength of spectrogram masking in training.

    Args:
        inputs: Waveforms, (S,) int16.
        n_mels: Number of mel bands.
        dim: The width D of the features, both directions together; even.
        layers: Number of stacked layers.
        dropout: Dropout probability of the frames and of each layer's outputs.
        pool: ``mean`` or ``max`` over the steps, or ``last``, the final state of each direction, gives (D,);
            ``none`` gives a state for each step, (T, D).
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Graves and Schmidhuber 2005, Framewise Phoneme Classification with Bidirectional LSTM; frames are stacked
    as in Sak et al. 2015, Fast and Accurate Recurrent Neural Network Acoustic Models, section 3.
    """

    kinds: ClassVar[tuple[str, ...]] = ("audio",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    spec_augment: float = 0.0

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        n_mels: int = 40,
        dim: int = 256,
        layers: int = 2,
        dropout: float = 0.2,
        pool: Literal["mean", "max", "last", "none"] = "mean",
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_between("audio_lstm", "n_mels", n_mels, _FEWEST_MELS, _MOST_MELS)
        require_even("audio_lstm", "dim", dim)
        require_between("audio_lstm", "layers", layers, 1, DEEPEST)
        require_share("audio_lstm", dropout)
        require_one_of("audio_lstm", "pool", pool, POOLS)
        self.inputs = inputs
        self.n_mels = n_mels
        self.dim = dim
        self.layers = layers
        self.dropout = dropout
        self.pool = pool
        self.seed = seed
        self.frames = MelFrames(inputs, n_mels)
        with drawn_from(seed):
            self.steps = BothDirections(nn.LSTM, n_mels * _STACKED, dim, layers, dropout)
        self.drop = nn.Dropout(dropout)

    def output(self) -> FieldSpec:
        """Return (D,), or (T, D) for ``pool=none``."""
        return feature_form(self.dim, self.pool, -(-self.frames.bound // _STACKED))

    def lengths(self, column: Column) -> Array:
        """Return the number of samples rounded up to a multiple of half a second."""
        return sound_lengths(self.inputs, column)

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return waveforms (B, S) int16 and lengths (B,)."""
        return sound_inputs(column, length)

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return (B, D), or (B, T, D) with the number of steps of each row."""
        frames, counts = self.frames(samples, lengths)
        if self.training:
            frames = mask_spectrogram(frames, counts, self.spec_augment)
        filled = nn.functional.pad(frames, (0, -frames.shape[2] % _STACKED))
        stacked = filled.transpose(1, 2).reshape(len(frames), -1, _STACKED * self.n_mels)
        steps = self.drop(stacked.to(next(self.steps.parameters()).dtype))
        counts = torch.div(counts + _STACKED - 1, _STACKED, rounding_mode="floor")
        features: Tensor | tuple[Tensor, Tensor] = self.steps(steps, counts, self.pool)
        return features

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
