"""Turns stored columns into the tensors that encoders take."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmcli.store.columns import Array, Column, Dense, Ragged


def dense_inputs(column: Column, field: str = "") -> Tensor:
    """Return rows of one shape, (B, ...), in their stored dtype."""
    tensor = column.fields[field]
    assert isinstance(tensor, Dense)
    return torch.from_numpy(np.array(tensor.values))


def padded_inputs(column: Column, length: int, field: str = "") -> tuple[Tensor, Tensor]:
    """Return sequences (B, ``length``, ...) in their stored dtype, zero-padded, and lengths (B,) int64."""
    tensor = column.fields[field]
    assert isinstance(tensor, Ragged)
    lengths = np.minimum(np.diff(tensor.offsets), length)
    values = np.zeros((len(lengths), length, *tensor.values.shape[1:]), tensor.values.dtype)
    for row, count in enumerate(lengths):
        start = tensor.offsets[row]
        values[row, :count] = tensor.values[start : start + count]
    return torch.from_numpy(values), torch.from_numpy(lengths)


def bucketed(column: Column, step: int, most: int, field: str = "") -> Array:
    """Return each row's length rounded up to a multiple of ``step``, between ``step`` and ``most``; (B,) int64."""
    tensor = column.fields[field]
    assert isinstance(tensor, Ragged)
    lengths = np.diff(tensor.offsets)
    rounded: Array = np.minimum(np.maximum(-(-lengths // step), 1) * step, most)
    return rounded
