"""Scales numbers whose differences float32 would lose, by the train rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmcli.store.columns import Array

_LOST = 2.0**-24  # relative error of rounding to float32
_TOO_MUCH = 1e-3  # acceptable error as a share of the spread


@dataclass(frozen=True)
class Shift:
    """The offset and scale of each column, (D,) each."""

    offset: Array
    scale: Array

    def apply(self, values: Array) -> Array:
        """Scale values (D,) or (T, D) for storage."""
        wide = values.astype(np.longdouble)  # exact for 64-bit integers too
        return np.asarray((wide - self.offset) / self.scale, np.float64)


def needed_shift(arrays: Sequence[Array]) -> Shift | None:
    """Return the shift of columns that rounding would blur, 0 and 1 for the others; None if there is none.

    Args:
        arrays: 64-bit arrays of train rows, (D,) or (T, D) each.
    """
    rows = np.concatenate([np.atleast_2d(array) for array in arrays]).astype(np.longdouble)
    mean = rows.mean(axis=0)
    spread = np.sqrt(((rows - mean) ** 2).mean(axis=0))
    blurred = np.isfinite(spread) & (spread > 0) & (np.abs(rows).max(axis=0) * _LOST > _TOO_MUCH * spread)
    if not blurred.any():
        return None
    return Shift(np.where(blurred, mean, 0).astype(np.float64), np.where(blurred, spread, 1).astype(np.float64))
