"""Convolutions over token embeddings with max pooling, trained from scratch."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcli.encoders.scratch._tokens import TokenTable, id_inputs, id_lengths
from mmcli.models.limits import WIDEST, require_between, require_share
from mmcli.models.random import drawn_from
from mmcli.models.sequence import inside
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_LONGEST = 64


class TextCnn(nn.Module):
    """Filters over windows of several widths, ReLU, and the maximum of each filter over the text.

    Windows may extend past both ends of a text, as in the author's code, so that a single word passes every filter.

    Args:
        inputs: Text, ids (T,).
        token_dim: The width of a token's vector.
        windows: The shortest and the longest window in tokens; every width in between is used.
        filters: Number of filters of each width.
        dropout: Dropout probability of the token vectors and of the features.
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Kim 2014, Convolutional Neural Networks for Sentence Classification, section 2.
    """

    kinds: ClassVar[tuple[str, ...]] = ("text",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        token_dim: int = 128,
        windows: tuple[int, int] = (1, 3),
        filters: int = 64,
        dropout: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for option, value in (("token_dim", token_dim), ("filters", filters)):
            require_between("text_cnn", option, value, 1, WIDEST)
        require_between("text_cnn", "windows", windows[0], 1, windows[1])
        require_between("text_cnn", "windows", windows[1], 1, _LONGEST)
        require_share("text_cnn", dropout)
        self.inputs = inputs
        self.token_dim = token_dim
        self.windows = windows
        self.filters = filters
        self.dropout = dropout
        self.seed = seed
        widths = range(windows[0], windows[1] + 1)
        with drawn_from(seed):
            self.table = TokenTable(inputs, token_dim)
            self.convolutions = nn.ModuleList(nn.Conv1d(token_dim, filters, w, padding=w - 1) for w in widths)
        self.drop = nn.Dropout(dropout)

    def output(self) -> FieldSpec:
        """Return (D,), D = filters of all widths."""
        return FieldSpec("dense", "float32", (self.filters * len(self.convolutions),), "D")

    def lengths(self, column: Column) -> Array:
        """Return the number of tokens rounded up to a multiple of 16."""
        return id_lengths(self.inputs, column)

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return ids (B, T) and lengths (B,)."""
        return id_inputs(column, length)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, D); zeros for a text without tokens."""
        values = self.drop(self.table(ids)).transpose(1, 2)
        highest = []
        for convolution in self.convolutions:
            found = convolution(values).relu()
            reached = lengths + found.shape[2] - ids.shape[1]
            own = inside(reached.where(lengths > 0, 0), found.shape[2]).unsqueeze(1)
            highest.append((found * own).amax(dim=2))
        features: Tensor = self.drop(torch.cat(highest, dim=1))
        return features

    def token_vectors(self) -> nn.Module:
        """Return the layer that turns ids into vectors."""
        return self.table

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
