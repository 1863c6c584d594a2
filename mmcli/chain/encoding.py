"""Runs rows through an encoder in batches of one shape, so that no row depends on its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.chain.prefetch import ahead
from mmcli.store.columns import Array, Column

if TYPE_CHECKING:
    import torch

    from mmcli.encoders import Encoder

_LENGTH_OF_FULL_BATCH = 64


def encode_rows(
    encoder: Encoder, forward: Callable[..., Any], column: Column, batch_size: int, device: str
) -> list[Array]:
    """Return the float32 features of each row; sequences without padding.

    Rows with the same padded length are batched together, always the same number of them; the last batch is filled
    with copies of its last row.

    Args:
        encoder: Collates the rows.
        forward: Called with the collated rows; the encoder itself, or a copy of it on another device.
        column: The rows.
        batch_size: Rows per batch; batches of long sequences have fewer.
        device: Where ``forward`` computes.
    """
    import torch

    items: list[Array] = [np.zeros(0, np.float32)] * len(column)

    def collated() -> Iterator[tuple[Array, tuple[torch.Tensor, ...]]]:
        for rows, length, size in _batches(encoder.lengths(column), len(column), batch_size):
            filled_up = np.concatenate([rows, np.repeat(rows[-1:], size - len(rows))])
            yield rows, encoder.collate(column.look(filled_up), length)

    with torch.inference_mode():
        # A GPU computes on a batch while the next one is made; on a CPU that would take time from the network.
        for rows, inputs in collated() if device == "cpu" else ahead(collated()):
            features = _items(forward(*(to_device(value, device) for value in inputs)))
            for row, item in zip(rows, features, strict=False):
                items[row] = item
    return items


def to_device(batch: torch.Tensor, device: str) -> torch.Tensor:
    """Return a tensor on a device, images with their channels last."""
    import torch

    tensor = batch.to(device, non_blocking=True)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _batches(lengths: Array | None, count: int, size: int) -> Iterator[tuple[Array, int | None, int]]:
    """Yield the row numbers of each batch, their padded length, and the number of rows to fill the batch up to."""
    groups: list[tuple[Array, int | None]] = [(np.arange(count), None)]
    if lengths is not None:
        groups = [(np.flatnonzero(lengths == length), int(length)) for length in np.unique(lengths)]
    for rows, length in groups:
        step = size if length is None else max(1, size * _LENGTH_OF_FULL_BATCH // max(length, _LENGTH_OF_FULL_BATCH))
        for start in range(0, len(rows), step):
            yield rows[start : start + step], length, step


def _items(features: Any) -> list[Array]:
    if isinstance(features, tuple):
        values, lengths = features[0].float().cpu().numpy(), features[1].cpu().tolist()
        return [value[:length] for value, length in zip(values, lengths, strict=True)]
    return list(features.float().cpu().numpy())
