"""Shared by recurrent text encoders: token vectors read in both directions by one kind of cell."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from mmcli.encoders.scratch._recurrent import POOLS, BothDirections
from mmcli.encoders.scratch._tokens import TokenTable, id_inputs, id_lengths
from mmcli.models.limits import DEEPEST, WIDEST, require_between, require_even, require_one_of, require_share
from mmcli.models.random import drawn_from
from mmcli.models.sequence import feature_form
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec


class RecurrentText(nn.Module):
    """A bidirectional recurrent network over the vectors of a text's tokens.

    Args:
        inputs: Text, ids (T,).
        dim: The width D of the features, both directions together; even.
        token_dim: The width of a token's vector.
        layers: Number of stacked layers.
        dropout: Dropout probability of the token vectors and of each layer's outputs.
        pool: ``mean`` or ``max`` over the steps, or ``last``, the final state of each direction, gives (D,);
            ``none`` gives a state for each token, (T, D).
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.
    """

    cell: ClassVar[type[nn.LSTM] | type[nn.GRU]]

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        dim: int = 128,
        token_dim: int = 128,
        layers: int = 1,
        dropout: float = 0.2,
        pool: Literal["mean", "max", "last", "none"] = "max",
        seed: int = 0,
    ) -> None:
        super().__init__()
        name = type(self).__name__.lower()
        require_even(name, "dim", dim)
        require_between(name, "token_dim", token_dim, 1, WIDEST)
        require_between(name, "layers", layers, 1, DEEPEST)
        require_share(name, dropout)
        require_one_of(name, "pool", pool, POOLS)
        self.inputs = inputs
        self.dim = dim
        self.token_dim = token_dim
        self.layers = layers
        self.dropout = dropout
        self.pool = pool
        self.seed = seed
        with drawn_from(seed):
            self.table = TokenTable(inputs, token_dim)
            self.steps = BothDirections(self.cell, token_dim, dim, layers, dropout)
        self.drop = nn.Dropout(dropout)

    def output(self) -> FieldSpec:
        """Return (D,), or (T, D) for ``pool=none``."""
        return feature_form(self.dim, self.pool, self.inputs.main.bound)

    def lengths(self, column: Column) -> Array:
        """Return the number of tokens rounded up to a multiple of 16."""
        return id_lengths(self.inputs, column)

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return ids (B, T) and lengths (B,)."""
        return id_inputs(column, length)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return (B, D), or (B, T, D) with the lengths."""
        features: Tensor | tuple[Tensor, Tensor] = self.steps(self.drop(self.table(ids)), lengths, self.pool)
        return features

    def token_vectors(self) -> nn.Module:
        """Return the layer that turns ids into vectors."""
        return self.table

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
