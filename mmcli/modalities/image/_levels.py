"""Converts pixel levels of any bit depth, or in floating point, to 8 bits."""

from __future__ import annotations

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

_OVERSHOOT = 0.1  # share of the range that resampling and rounding may overshoot it by
_BRIGHT = 2.0  # float pixels in 0..1 may have highlights above 1; in 0..255, such a picture would be black
_DIM = 16.0  # float pixels up to this fit neither range
_UNSEEN = 1 / 512  # share of the range: a darker image is all black in 8 bits
_BAND = 2**20


def whole_levels(values: Array, bits: int, *, signed: bool = False) -> Array:
    """Scale integers of this many bits to uint8.

    Raises:
        UnusableError: ``skipped`` if levels are negative, or if they have more than 16 bits and are all black in 8.
    """
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    limit = 2 ** (bits - signed) - 1
    if low < 0 or high > limit or (bits > 16 and 0 < high < limit * _UNSEEN):
        raise _outside(low, high, f"0 to {limit}")
    return _scaled(values, limit)


def float_levels(values: Array) -> Array:
    """Scale floating-point numbers in 0..1 or 0..255 to uint8; values slightly outside are clipped.

    Raises:
        UnusableError: ``corrupt`` if a number is NaN or infinite, ``skipped`` if they lie in another range.
    """
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not np.isfinite((low, high)).all():
        raise UnusableError("corrupt", "NaN or infinite pixels")
    if high <= 1 or (high <= _BRIGHT and not _are_whole(values)):
        limit = 1.0
    elif high <= _DIM and not _are_whole(values):
        raise _outside(low, high, "0 to 1 or 0 to 255")
    else:
        limit = 255.0
    if low < -_OVERSHOOT * limit or high > (_BRIGHT if limit == 1 else 1 + _OVERSHOOT) * limit:
        raise _outside(low, high, f"0 to {limit:g}")
    return _scaled(values, limit)


def _are_whole(values: Array) -> bool:
    return bool((values == np.rint(values)).all())


def _scaled(values: Array, limit: float) -> Array:
    """Scale values from 0 to a limit to uint8, a band of rows at a time."""
    scaled = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):
        band = values[start : start + rows] * np.float64(255 / limit)
        scaled[start : start + rows] = np.clip(band + 0.5, 0, 255)
    return scaled


def _outside(low: float, high: float, expected: str) -> UnusableError:
    return UnusableError("skipped", f"grey levels from {low:g} to {high:g}, expected {expected}")
