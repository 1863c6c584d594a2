"""Bidirectional LSTM on token embeddings, trained from scratch."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from mmcli.encoders.scratch._recurrent_text import RecurrentText


class Lstm(RecurrentText):
    """A bidirectional LSTM over the vectors of a text's tokens.

    Source: Hochreiter and Schmidhuber 1997, Long Short-Term Memory; Graves and Schmidhuber 2005 for both directions.
    """

    kinds: ClassVar[tuple[str, ...]] = ("text",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    cell: ClassVar[type[nn.LSTM]] = nn.LSTM
