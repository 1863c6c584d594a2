"""Bidirectional GRU on token embeddings, trained from scratch."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from mmcli.encoders.scratch._recurrent_text import RecurrentText


class Gru(RecurrentText):
    """A bidirectional GRU over the vectors of a text's tokens.

    Source: Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, section 2.3.
    """

    kinds: ClassVar[tuple[str, ...]] = ("text",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    cell: ClassVar[type[nn.GRU]] = nn.GRU
