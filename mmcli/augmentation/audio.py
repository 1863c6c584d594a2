"""Random changes of waveforms."""

from __future__ import annotations

import torch
from torch import Tensor

Inputs = tuple[Tensor, ...]
_LOWEST, _HIGHEST = -32768, 32767
_MOST_GAIN = 12.0  # decibels
_CLEANEST, _MOST_LOUDER = 40.0, 20.0  # decibels
_MOST_SHIFT = 0.2


def gain(inputs: Inputs, strength: float) -> Inputs:
    """Make each sound louder or softer by up to 12 decibels, clipped to int16."""
    samples, *lengths = inputs
    decibels = _signed(samples) * (_MOST_GAIN * strength)
    return (_whole(samples * 10 ** (decibels / 20)), *lengths)


def noise(inputs: Inputs, strength: float) -> Inputs:
    """Add white noise between 40 and 40 - 20 * strength decibels below the sound; silence stays silent."""
    samples, lengths, *rest = inputs
    power = samples.float().square().sum(dim=1, keepdim=True) / lengths.clamp(min=1).unsqueeze(1)
    draws = torch.rand(len(samples), 1, device=samples.device)
    ratio = _CLEANEST - draws * (_MOST_LOUDER * strength)
    added = torch.randn(samples.shape, device=samples.device) * (power * 10 ** (-ratio / 10)).sqrt()
    return (_whole(samples + added * _own(samples, lengths)), lengths, *rest)


def time_shift(inputs: Inputs, strength: float) -> Inputs:
    """Shift each sound by up to 20% of its length, earlier or later, with zeros in the gap."""
    samples, lengths, *rest = inputs
    moved = (_signed(samples) * (_MOST_SHIFT * strength) * lengths.unsqueeze(1)).round().long()
    source = torch.arange(samples.shape[1], device=samples.device) - moved
    shifted = samples.gather(1, source.clamp(0, samples.shape[1] - 1))
    there = (source >= 0) & (source < lengths.unsqueeze(1)) & _own(samples, lengths)
    return (shifted.where(there, 0), lengths, *rest)


def _signed(samples: Tensor) -> Tensor:
    """Return (B, 1), from -1 to 1."""
    return torch.rand(len(samples), 1, device=samples.device) * 2 - 1


def _own(samples: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(samples.shape[1], device=samples.device) < lengths.unsqueeze(1)


def _whole(samples: Tensor) -> Tensor:
    return samples.round().clamp(_LOWEST, _HIGHEST).to(torch.int16)


OPERATIONS = {"gain": gain, "noise": noise, "time_shift": time_shift}
