"""Resamples waveforms."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np

from mmcli.store.columns import Array


def resample(samples: Array, rate: int, target: int) -> Array:
    """Resample (S,) from one rate in Hz to another."""
    if rate == target:
        return samples
    from scipy.signal import resample_poly

    divisor = gcd(rate, target)
    up, down = target // divisor, rate // divisor
    resampled: Array = resample_poly(samples, up, down, window=_anti_alias(max(up, down)))
    return resampled


@lru_cache(maxsize=4)
def _anti_alias(ratio: int) -> Array:
    """Return a low-pass filter, -90 dB at 12% above half the lower rate; shorter for rates without common divisor."""
    from scipy.signal import firwin

    half = max(4, min(24, 500_000 // ratio)) * ratio
    taps: Array = firwin(2 * half + 1, 1 / ratio, window=("kaiser", 8.0))
    return taps.astype(np.float32)
