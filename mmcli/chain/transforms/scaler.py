"""Scales features as fitted on the train rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mmcli.store.columns import Array, Column, Dense, Ragged
from mmcli.store.state import State

ROW_NORM = 4.0
"""With concat and an MLP head, accuracy was the same from 1 to 8, and training took fewer epochs from 4 on."""


class Scaler:
    """Scales a feature so that wide features do not outweigh narrow ones.

    ``column`` features get mean 0 and the same standard deviation in every column; ``whole`` features, which are
    sparse or normalised by their extractor, are multiplied by one number. Either way the root mean square of the norm
    of rows (of steps, for sequences) becomes ``ROW_NORM``, whatever the width. Absent rows stay zero.
    """

    def __init__(self, scaling: str) -> None:
        self.scaling = scaling
        self.shift: Array = np.zeros(1, np.float32)
        self.factor: Array = np.ones(1, np.float32)

    def fit(self, columns: Iterable[Column]) -> None:
        """Fit to columns of train rows, keeping only float64 sums."""
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        for column in columns:
            values = np.asarray(_present_values(column), np.float64)
            count += len(values)
            total = total + values.sum(0)
            squares = squares + (values**2).sum(0)
        if not count:
            return
        if self.scaling == "whole":
            norm = float(np.sqrt(squares.sum() / count))
            self.factor = np.array([ROW_NORM / norm if norm > 0 else 1.0], np.float32)
            return
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        steady = deviation > 1e-6 * np.maximum(1e-6, np.abs(mean))
        self.shift = mean.astype(np.float32)
        spread = ROW_NORM / np.sqrt(max(1, len(mean)))
        self.factor = np.where(steady, spread / np.where(steady, deviation, 1), 0).astype(np.float32)

    def apply(self, column: Column) -> dict[str, Dense | Ragged]:
        """Return the scaled main tensor."""
        tensor = column.main
        values = np.asarray(tensor.values, np.float32)
        if values.ndim == 4:  # a feature map: its columns are the channels
            scaled = (values - self.shift.reshape(1, -1, 1, 1)) * self.factor.reshape(1, -1, 1, 1)
        else:
            scaled = (values - self.shift) * self.factor
        if isinstance(tensor, Ragged):
            return {"": Ragged(scaled, tensor.offsets)}
        scaled[~column.present] = 0
        return {"": Dense(scaled)}

    def state(self) -> State:
        """Return the fitted state."""
        return State({}, {"shift": self.shift, "factor": self.factor})

    def load_state(self, state: State) -> None:
        """Load the state of an earlier ``fit``."""
        self.shift, self.factor = state.tensors["shift"], state.tensors["factor"]


def _present_values(column: Column) -> Array:
    """Return the present values as (N, D): rows, steps of sequences, or positions of feature maps."""
    if isinstance(column.main, Ragged):
        return column.main.values
    values = column.main.values[column.present]
    return np.moveaxis(values, 1, -1).reshape(-1, values.shape[1]) if values.ndim == 4 else values
