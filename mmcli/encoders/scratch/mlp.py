"""MLP over numbers and category embeddings, trained from scratch."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcli.encoders.scratch._table import CategoryTable, table_inputs
from mmcli.models.limits import DEEPEST, WIDEST, require_between, require_share
from mmcli.models.random import drawn_from
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec


class Mlp(nn.Module):
    """Hidden layers over the numbers, their missing flags, and a vector for each category.

    Args:
        inputs: A table: standardised numbers with missing flags, and category ids.
        dim: The width D of each layer; the last layer gives the features.
        layers: Number of layers.
        category_dim: The width of a category's vector.
        dropout: Dropout probability of each layer's outputs.
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Guo and Berkhahn 2016, Entity Embeddings of Categorical Variables, section III.
    """

    kinds: ClassVar[tuple[str, ...]] = ("table",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        dim: int = 128,
        layers: int = 2,
        category_dim: int = 16,
        dropout: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for option, value in (("dim", dim), ("category_dim", category_dim)):
            require_between("mlp", option, value, 1, WIDEST)
        require_between("mlp", "layers", layers, 1, DEEPEST)
        require_share("mlp", dropout)
        self.inputs = inputs
        self.dim = dim
        self.layers = layers
        self.category_dim = category_dim
        self.dropout = dropout
        self.seed = seed
        width = inputs.main.dims[0] + category_dim * len(inputs.facts["categories"])
        with drawn_from(seed):
            self.categories = CategoryTable(inputs, category_dim, 1.0)
            parts: list[nn.Module] = []
            for before in (width, *(dim,) * (layers - 1)):
                parts += [nn.Linear(before, dim), nn.ReLU(), nn.Dropout(dropout)]
            self.hidden = nn.Sequential(*parts)

    def output(self) -> FieldSpec:
        """Return (D,)."""
        return FieldSpec("dense", "float32", (self.dim,), "D")

    def lengths(self, column: Column) -> Array | None:
        """Return None: all rows have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return numbers with flags (B, 2 N) and category ids (B, K)."""
        del length
        return table_inputs(column)

    def forward(self, numbers: Tensor, ids: Tensor) -> Tensor:
        """Return (B, D)."""
        vectors = self.categories(ids).flatten(start_dim=1)
        features: Tensor = self.hidden(torch.cat([numbers.to(vectors.dtype), vectors], dim=1))
        return features

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
