"""Numbers that float32 cannot tell apart as they are: scaled by the train rows first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmcli.store.columns import Array

_LOST = 2.0**-24  # of a number, what rounding to float32 may change
_TOO_MUCH = 1e-3  # of the spread


@dataclass(frozen=True)
class Shift:
    """What is taken from each number of a column, and what it is divided by, (D,) each."""

    offset: Array
    scale: Array

    def apply(self, values: Array) -> Array:
        """Return values (D,) or (T, D) as they are stored."""
        wide = values.astype(np.longdouble)  # whole numbers of 64 bits, too
        return np.asarray((wide - self.offset) / self.scale, np.float64)


def needed_shift(arrays: Sequence[Array]) -> Shift | None:
    """Return the shift of columns that rounding would blur, 0 and 1 for others; None where there is no such column.

    Args:
        arrays: Of train rows, (D,) or (T, D) each, of 64-bit numbers.
    """
    rows = np.concatenate([np.atleast_2d(array) for array in arrays]).astype(np.longdouble)
    mean = rows.mean(axis=0)
    spread = np.sqrt(((rows - mean) ** 2).mean(axis=0))
    blurred = np.isfinite(spread) & (spread > 0) & (np.abs(rows).max(axis=0) * _LOST > _TOO_MUCH * spread)
    if not blurred.any():
        return None
    return Shift(np.where(blurred, mean, 0).astype(np.float64), np.where(blurred, spread, 1).astype(np.float64))
