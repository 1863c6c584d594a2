"""Mean of the token embeddings (bag of words), trained from scratch."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from mmcli.encoders.scratch._tokens import TokenTable, id_inputs, id_lengths
from mmcli.models.limits import WIDEST, require_between, require_one_of, require_share
from mmcli.models.random import drawn_from
from mmcli.models.sequence import feature_form, pool_steps
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_Pool = Literal["mean", "max", "none"]


class Embedding(nn.Module):
    """A vector for each token, pooled over the text.

    Args:
        inputs: Text, ids (T,).
        dim: The width of the vectors.
        dropout: Dropout probability of the token vectors.
        pool: ``mean`` or ``max`` over the tokens gives (D,); ``none`` gives a vector for each token, (T, D).
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Joulin et al. 2017, Bag of Tricks for Efficient Text Classification, section 2.
    """

    kinds: ClassVar[tuple[str, ...]] = ("text",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __init__(
        self, inputs: ModalitySpec, *, dim: int = 128, dropout: float = 0.2, pool: _Pool = "mean", seed: int = 0
    ) -> None:
        super().__init__()
        require_between("embedding", "dim", dim, 1, WIDEST)
        require_share("embedding", dropout)
        require_one_of("embedding", "pool", pool, get_args(_Pool))
        self.inputs = inputs
        self.dim = dim
        self.dropout = dropout
        self.pool = pool
        self.seed = seed
        with drawn_from(seed):
            self.table = TokenTable(inputs, dim)
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
        values = self.drop(self.table(ids))
        return (values, lengths) if self.pool == "none" else pool_steps(values, lengths, self.pool)

    def token_vectors(self) -> nn.Module:
        """Return the layer that turns ids into vectors."""
        return self.table

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
