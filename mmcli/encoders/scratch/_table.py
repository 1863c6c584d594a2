"""Shared by table encoders: numbers with their missing flags, and category ids."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mmcli.models.inputs import dense_inputs
from mmcli.store.columns import Column, ModalitySpec


class CategoryTable(nn.Module):
    """A vector for each category of each column, in one embedding table, column after column.

    Args:
        inputs: A table; its facts hold the number of ids of each categorical column.
        dim: The width of a vector.
        deviation: Standard deviation of the initial values.
    """

    starts: Tensor

    def __init__(self, inputs: ModalitySpec, dim: int, deviation: float) -> None:
        super().__init__()
        sizes = [int(size) for size in inputs.facts["categories"]]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.register_buffer("starts", torch.from_numpy(starts[:-1]), persistent=False)
        self.vectors = nn.Embedding(int(starts[-1]), dim)
        nn.init.normal_(self.vectors.weight, std=deviation)

    def forward(self, ids: Tensor) -> Tensor:
        """Return (B, columns, D) from ids (B, columns)."""
        found: Tensor = self.vectors(ids + self.starts)
        return found


def table_inputs(column: Column) -> tuple[Tensor, Tensor]:
    """Return numbers and missing flags (B, 2 N), and category ids (B, K)."""
    return dense_inputs(column), dense_inputs(column, "categories").long()
