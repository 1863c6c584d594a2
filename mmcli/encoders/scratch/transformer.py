"""Small transformer on token embeddings, trained from scratch."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from mmcli.encoders.scratch._tokens import TokenTable, id_inputs, id_lengths
from mmcli.models.limits import DEEPEST, require_between, require_heads, require_one_of, require_share
from mmcli.models.random import drawn_from
from mmcli.models.sequence import AttentionLayers, feature_form, inside, pool_steps, positions
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_Pool = Literal["mean", "max", "cls", "none"]


class Transformer(nn.Module):
    """Self-attention layers over the vectors of a text's tokens, with sinusoidal position encodings.

    Args:
        inputs: Text, ids (T,).
        dim: The width D of vectors and features; an even multiple of ``heads``.
        layers: Number of attention layers.
        heads: Attention heads per layer.
        dropout: Dropout probability of the token vectors and of each residual branch.
        pool: ``mean`` or ``max`` over the tokens, or ``cls``, a learnt token before them, gives (D,); ``none`` gives
            every token's features, (T, D).
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3; Devlin et al. 2019 (BERT) for ``cls``.
    """

    kinds: ClassVar[tuple[str, ...]] = ("text",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        dim: int = 64,
        layers: int = 1,
        heads: int = 4,
        dropout: float = 0.2,
        pool: _Pool = "mean",
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_between("transformer", "layers", layers, 1, DEEPEST)
        require_heads("transformer", dim, heads)
        require_share("transformer", dropout)
        require_one_of("transformer", "pool", pool, get_args(_Pool))
        self.inputs = inputs
        self.dim = dim
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.pool = pool
        self.seed = seed
        with drawn_from(seed):
            self.table = TokenTable(inputs, dim, dim**-0.5)
            self.attention = AttentionLayers(dim, layers, heads, dropout)
            self.cls = nn.Parameter(torch.randn(1, 1, dim) * dim**-0.5) if pool == "cls" else None
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
        values = self.table(ids) * self.dim**0.5
        values = self.drop(values + positions(ids.shape[1], values))
        if self.cls is not None:
            values = torch.cat([self.cls.expand(len(ids), -1, -1), values], dim=1)
            whole: Tensor = self.attention(values, inside(lengths + 1, values.shape[1]))
            return whole[:, 0]
        found = self.attention(values, inside(lengths, ids.shape[1]))
        return (found, lengths) if self.pool == "none" else pool_steps(found, lengths, self.pool)

    def token_vectors(self) -> nn.Module:
        """Return the layer that turns ids into vectors."""
        return self.table

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
