"""Brings the levels of pixels, of any number of bits or in floating point, to 8 bits."""

from __future__ import annotations

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

_OVERSHOOT = 0.1  # of the range: what resampling and rounding leave outside it
_BRIGHT = 2.0  # float pixels from 0 to 1 may have lights above 1; a picture from 0 to 255 would be black
_DIM = 16.0  # float pixels up to this fit neither range
_UNSEEN = 1 / 512  # of the range: an image that is nowhere brighter is black in 8 bits
_BAND = 2**20


def whole_levels(values: Array, bits: int, *, signed: bool = False) -> Array:
    """Return whole numbers as uint8, in proportion to what so many bits hold.

    Raises:
        UnusableError: ``skipped`` where levels are negative, or have more than 16 bits and are all black in 8.
    """
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    limit = 2 ** (bits - signed) - 1
    if low < 0 or high > limit or (bits > 16 and 0 < high < limit * _UNSEEN):
        raise _outside(low, high, f"0 to {limit}")
    return _scaled(values, limit)


def float_levels(values: Array) -> Array:
    """Return floating-point numbers, from 0 to 1 or from 0 to 255, as uint8; what is a little outside is clipped.

    Raises:
        UnusableError: ``corrupt`` where a number is NaN or infinite, ``skipped`` where the range is another.
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
    """Return values from 0 to a limit as uint8, a band of rows at a time."""
    scaled = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):
        band = values[start : start + rows] * np.float64(255 / limit)
        scaled[start : start + rows] = np.clip(band + 0.5, 0, 255)
    return scaled


def _outside(low: float, high: float, expected: str) -> UnusableError:
    return UnusableError("skipped", f"grey levels from {low:g} to {high:g}, expected {expected}")
