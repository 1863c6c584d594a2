"""Rows of similar length in one batch, so that little is computed on what fills sequences up, and in random order."""

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
"""Batches that rows are sorted within: fewer leave more to fill up, more bring the same rows together each time."""


def read_lengths(samples: Samples, rows: Array, encoders: Mapping[str, Encoder]) -> dict[str, Array]:
    """Return to what length each of these rows is filled up, (B,), for each encoder of rows that differ in length.

    Whole columns of the mapped shards are looked at where they lie: of most encoders the offsets alone are read. An
    absent row has length 0.
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
    """Return a number for each row, (B,), equal for equal lengths and growing with them; None where all are equal.

    Of several modalities the one whose lengths differ most counts first, up to the next power of two, so that within
    those the others count, too.
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
    """Cut an order of rows into batches; a last batch of one row joins the one before it."""
    import torch

    batches = _pieces(order, size)
    if len(batches) > 1 and len(batches[-1]) == 1 < size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def cut_by_length(order: Tensor, ranks: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Cut an order of rows into batches of similar lengths, each row in one of them, and shuffle the batches.

    Args:
        order: The rows as they were drawn, (B,).
        ranks: Of all rows, as ``rank_by_length`` gives them.
        size: Rows in a batch.
        generator: What the order of the batches is drawn from.

    Source: Khomenko et al. 2016, Accelerating recurrent neural network training using sequence bucketing and
    multi-GPU data parallelization.
    """
    import torch

    windows = [window[ranks[window].argsort(stable=True)] for window in _pieces(order, size * _WINDOW)]
    batches = cut(torch.cat(windows), size)
    return [batches[number] for number in torch.randperm(len(batches), generator=generator).tolist()]


def _pieces(order: Tensor, size: int) -> list[Tensor]:
    return [order[start : start + size] for start in range(0, len(order), size)]
