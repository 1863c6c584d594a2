"""Shared by sound encoders: batches of waveforms, and their mel spectrograms computed on the device."""

from __future__ import annotations

import math

import torch
import torchaudio
from torch import Tensor

from mmcli.models.inputs import bucketed, padded_inputs
from mmcli.models.sequence import inside
from mmcli.store.columns import Array, Column, ModalitySpec

_FULL_SCALE = 32768
_WINDOW_SECONDS = 0.025
_FASTEST = 100  # frames per second
_DYNAMIC_RANGE = 80.0  # decibels
_FAINTEST = 1e-10
_MIDDLE, _SPREAD = -10.0, 20.0  # decibels
_MASKS = 2
_MOST_MASKED = 0.2


class MelFrames:
    """Mel spectrograms in decibels, scaled to about -2 to 2, one frame every 10 ms.

    Power spectra of Hann windows centred on their frames, zero-padded at the ends, summed in triangular bands; values
    are floored at 80 decibels below the sound's maximum. Always in float32, whatever the network's precision.

    Args:
        inputs: Waveforms; their facts hold the sample rate.
        n_mels: Number of mel bands.
    """

    def __init__(self, inputs: ModalitySpec, n_mels: int) -> None:
        rate = int(inputs.facts["sample_rate"])
        self.hop_length = max(1, rate // _FASTEST)
        self.n_fft = _window(rate, n_mels)
        self.window = torch.hann_window(self.n_fft)
        with torch.device("cpu"):  # even if the default device is another: torchaudio reads the values
            self.bands = torchaudio.functional.melscale_fbanks(self.n_fft // 2 + 1, 0.0, rate / 2, n_mels, rate)
        self.bound = inputs.main.bound // self.hop_length + 1

    def __call__(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames (B, F, T) float32, zero-padded, and each sound's number of frames (B,).

        Args:
            samples: (B, S) int16, zero-padded.
            lengths: (B,), in samples.
        """
        with torch.autocast(samples.device.type, enabled=False):
            spectra = torchaudio.functional.spectrogram(
                samples.float() / _FULL_SCALE, 0, self.window.to(samples.device), self.n_fft, self.hop_length,
                self.n_fft, 2.0, False, pad_mode="constant",
            )  # fmt: skip
            power = self.bands.to(samples.device).T @ spectra
        decibels = 10 * power.clamp(min=_FAINTEST).log10()
        frames = torch.where(lengths > 0, lengths // self.hop_length + 1, 0)
        own = inside(frames, decibels.shape[2]).unsqueeze(1)
        loudest = decibels.masked_fill(~own, 10 * math.log10(_FAINTEST)).amax(dim=(1, 2), keepdim=True)
        decibels = torch.maximum(decibels, loudest - _DYNAMIC_RANGE)
        return torch.where(own, (decibels - _MIDDLE) / _SPREAD, 0.0), frames


def _window(rate: int, n_mels: int) -> int:
    """Return a window length in samples, a power of two: 25 ms, or longer so that every band holds a frequency."""
    highest = 2595 * math.log10(1 + rate / 1400)
    lowest_band = 700 * (10 ** (2 * highest / (n_mels + 1) / 2595) - 1)
    return int(2 ** math.ceil(math.log2(max(rate * _WINDOW_SECONDS, rate / lowest_band, 2))))


def sound_lengths(inputs: ModalitySpec, column: Column) -> Array:
    """Return the padded length of each sound in samples: the next half second, at most the longest possible sound."""
    return bucketed(column, max(1, int(inputs.facts["sample_rate"]) // 2), inputs.main.bound)


def sound_inputs(column: Column, length: int | None) -> tuple[Tensor, Tensor]:
    """Return waveforms (B, ``length``) int16 and their lengths (B,)."""
    assert length is not None
    return padded_inputs(column, length)


def mask_spectrogram(frames: Tensor, lengths: Tensor, strength: float) -> Tensor:
    """Return frames (B, F, T) with two frequency bands and two time spans of each row set to the row's mean.

    Args:
        frames: Mel spectrograms.
        lengths: (B,), the number of frames of each row; masks lie inside them.
        strength: From 0, no masking, to 1, where each mask covers up to 20% of the bands or of the time.

    Source: Park et al. 2019, SpecAugment, section 2.
    """
    if not strength:
        return frames
    bands, steps = frames.shape[1:]
    own = inside(lengths, steps).unsqueeze(1)
    mean = frames.sum(dim=(1, 2), keepdim=True) / (lengths.clamp(min=1) * bands).view(-1, 1, 1)
    across = _spans(torch.full_like(lengths, bands), bands, strength).unsqueeze(2)
    along = _spans(lengths, steps, strength).unsqueeze(1)
    return torch.where((across | along) & own, mean, frames)


def _spans(lengths: Tensor, steps: int, strength: float) -> Tensor:
    """Return (B, T) bool, the union of spans of random width and position in each row."""
    draws = torch.rand(2, len(lengths), _MASKS, device=lengths.device)
    most = lengths.unsqueeze(1)
    widths = (draws[0] * most * (_MOST_MASKED * strength)).round()
    starts = (draws[1] * (most - widths)).floor()
    place = torch.arange(steps, device=lengths.device).view(1, 1, -1)
    return ((place >= starts.unsqueeze(2)) & (place < (starts + widths).unsqueeze(2))).any(dim=1)
