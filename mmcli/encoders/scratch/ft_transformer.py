"""Transformer over the columns of a table, trained from scratch."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcli.encoders.scratch._table import CategoryTable, table_inputs
from mmcli.models.limits import DEEPEST, require_between, require_heads, require_share
from mmcli.models.random import drawn_from
from mmcli.models.sequence import AttentionLayers
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec


class FtTransformer(nn.Module):
    """A vector for each column, self-attention among them, and the features read off a learnt class token.

    A number scales its column's vector, plus a bias; a category has its own vector. A missing number, stored as its
    column's mean, adds a vector that marks it as missing.

    Args:
        inputs: A table: standardised numbers with missing flags, and category ids.
        dim: The width D of the vectors and of the features; an even multiple of ``heads``.
        layers: Number of attention layers.
        heads: Attention heads per layer.
        dropout: Dropout probability of each residual branch.
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data, section 3.3.
    """

    kinds: ClassVar[tuple[str, ...]] = ("table",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        dim: int = 64,
        layers: int = 3,
        heads: int = 8,
        dropout: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_between("ft_transformer", "layers", layers, 1, DEEPEST)
        require_heads("ft_transformer", dim, heads)
        require_share("ft_transformer", dropout)
        self.inputs = inputs
        self.dim = dim
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.seed = seed
        self.count = inputs.main.dims[0] // 2
        categorical = len(inputs.facts["categories"])
        bound = dim**-0.5
        with drawn_from(seed):
            self.scale = nn.Parameter(torch.empty(self.count, dim).uniform_(-bound, bound))
            self.missing = nn.Parameter(torch.empty(self.count, dim).uniform_(-bound, bound))
            self.bias = nn.Parameter(torch.empty(self.count + categorical, dim).uniform_(-bound, bound))
            self.cls = nn.Parameter(torch.empty(1, 1, dim).uniform_(-bound, bound))
            self.categories = CategoryTable(inputs, dim, bound)
            self.attention = AttentionLayers(dim, layers, heads, dropout, widening=2)

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
        steps = torch.cat([self.cls.expand(len(ids), -1, -1), self.tokens(numbers, ids)], dim=1)
        every = torch.ones(steps.shape[:2], dtype=torch.bool, device=steps.device)
        features: Tensor = self.attention(steps, every)[:, 0].relu()
        return features

    def tokens(self, numbers: Tensor, ids: Tensor) -> Tensor:
        """Return a vector for each column, (B, N + K, D), numeric ones first."""
        values, flags = numbers.to(self.scale.dtype).unsqueeze(2).chunk(2, dim=1)
        numeric = values * self.scale + flags * self.missing
        return torch.cat([numeric, self.categories(ids)], dim=1) + self.bias

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
