"""Random batches of rows of similar length, so that little time is spent on padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmcli.encoders import Encoder
from mmcli.store.columns import Array
from mmcli.store.samples import Samples

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_WINDOW = 16
"""Rows are sorted within this many batches: fewer need more padding, more put the same rows together every time."""


def read_lengths(samples: Samples, rows: Array, encoders: Mapping[str, Encoder]) -> dict[str, Array]:
    """Return the padded length of each of these rows, (B,), for each encoder whose rows vary in length.

    Columns of the mapped shards are not copied, and most encoders read only their offsets. An absent row has length 0.
    """
    found: dict[str, Array] = {}
    for name, encoder in encoders.items():
        own = np.zeros(len(rows), np.int64)
        for here, places, column in samples.pieces(name, rows):
            lengths = encoder.lengths(column)
            if lengths is None:
                break
            own[here] = lengths[places]
        if own.any():
            found[name] = own
    return found


def rank_by_length(lengths: Mapping[str, Array]) -> Tensor | None:
    """Return the rank of each row by length, (B,), equal for equal lengths; None if all lengths are equal.

    With several modalities, the one whose lengths vary most comes first, rounded up to a power of two so that the
    others matter too.
    """
    import torch

    keys = [np.maximum(own, 1) for own in lengths.values() if own.max() > own.min()]
    if not keys:
        return None
    keys.sort(key=lambda own: own.max() / own.mean(), reverse=True)
    coarse = [np.ceil(np.log2(own)).astype(np.int64) for own in keys[:-1]]
    _, ranks = np.unique(np.stack([*coarse, keys[-1]], axis=1), axis=0, return_inverse=True)
    return torch.from_numpy(ranks.reshape(-1))


def cut(order: Tensor, size: int) -> list[Tensor]:
    """Cut an order of rows into batches; a last batch of one row is merged into the one before."""
    import torch

    batches = _pieces(order, size)
    if len(batches) > 1 and len(batches[-1]) == 1 < size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def cut_by_length(order: Tensor, ranks: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Cut an order of rows into batches of similar lengths, and shuffle the batches.

    Args:
        order: The rows in random order, (B,).
        ranks: The ranks of all rows by ``rank_by_length``.
        size: Rows per batch.
        generator: Draws the order of the batches.

    Source: Khomenko et al. 2016, Accelerating recurrent neural network training using sequence bucketing and
    multi-GPU data parallelization.
    """
    import torch

    windows = [window[ranks[window].argsort(stable=True)] for window in _pieces(order, size * _WINDOW)]
    batches = cut(torch.cat(windows), size)
    return [batches[number] for number in torch.randperm(len(batches), generator=generator).tolist()]


def _pieces(order: Tensor, size: int) -> list[Tensor]:
    return [order[start : start + size] for start in range(0, len(order), size)]
