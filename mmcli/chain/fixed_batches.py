"""Batches of fixed shapes, so that a network's output for a row depends on that row alone.

If several threads share a matrix product, the last bits may still depend on the row's position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmcli.store.columns import Array, Column, Ragged

if TYPE_CHECKING:
    from torch import Tensor

    Rows = Tensor | list[Tensor]
    """Vectors (B, D), or the steps of each row, (T, D) each."""
    Feature = Tensor | tuple[Tensor, ...]

_ROWS = 64
_ROWS_OF_STEPS, _STEPS = 16, 4096


def fixed_batches(
    values: Mapping[str, Rows], present: Mapping[str, Tensor]
) -> Iterator[tuple[Tensor, dict[str, Feature], dict[str, Tensor]]]:
    """Cut rows into batches whose size depends only on their padded lengths, and fill them up with absent rows.

    Sequences are padded to the next power of two, absent ones to one step; rows that agree in all padded lengths are
    batched together.

    Args:
        values: The values of each modality.
        present: The presence of each modality, (B,) bool.

    Yields:
        The row numbers, (R,), and the features and presence of each modality for at least R rows.
    """
    import torch

    names = [name for name, value in values.items() if isinstance(value, list)]
    lengths = np.stack(
        [np.zeros(len(next(iter(present.values()))), np.int64)]
        + [_filled_up(values[name], present[name]) for name in names],
        axis=1,
    )
    for shape in np.unique(lengths, axis=0):
        length = dict(zip(names, shape[1:].tolist(), strict=True))
        size = min(_ROWS_OF_STEPS, max(1, _STEPS // sum(length.values()))) if names else _ROWS
        chosen = torch.from_numpy(np.flatnonzero((lengths == shape).all(axis=1)))
        for rows in torch.split(chosen, size):
            features: dict[str, Feature] = {}
            for name, value in values.items():
                if isinstance(value, list):
                    there = [value[row] if present[name][row] else value[row][:0] for row in rows.tolist()]
                    features[name] = _stack(there, size, length[name])
                else:
                    features[name] = _fill(value[rows], size)
            yield rows, features, {name: _fill(there[rows], size) for name, there in present.items()}


def steps_of(column: Column) -> list[Tensor]:
    """Return the steps of each row of sequences, or of feature maps, (T, D) each."""
    import torch

    from mmcli.models.pooling import as_steps

    values = torch.from_numpy(np.array(column.main.values, np.float32))
    if isinstance(column.main, Ragged):
        return list(torch.split(values, np.diff(column.main.offsets).tolist()))
    return list(as_steps(values)[0])


def _filled_up(value: Rows, present: Tensor) -> Array:
    """Return the power of two to which each row's steps are padded, (B,)."""
    own = [len(steps) if there else 0 for steps, there in zip(value, present.tolist(), strict=True)]
    return np.array([1 << max(0, length - 1).bit_length() for length in own], np.int64)


def _stack(rows: list[Tensor], size: int, length: int) -> tuple[Tensor, Tensor]:
    """Return padded values (size, length, D) and lengths (size,)."""
    values = rows[0].new_zeros(size, length, rows[0].shape[1])
    lengths = values.new_zeros(size).long()
    for place, steps in enumerate(rows):
        values[place, : len(steps)] = steps
        lengths[place] = len(steps)
    return values, lengths


def _fill(value: Tensor, size: int) -> Tensor:
    """Pad with rows of zeros to ``size`` rows."""
    import torch

    missing = size - len(value)
    return value if not missing else torch.cat([value, value.new_zeros((missing, *value.shape[1:]))])
