"""Shared by token encoders: an embedding table and batches of ids."""

from __future__ import annotations

from torch import Tensor, nn

from mmcli.models.inputs import bucketed, padded_inputs
from mmcli.store.columns import Array, Column, ModalitySpec

_STEP = 16


class TokenTable(nn.Embedding):
    """A vector for each id of the vocabulary; that of padding, id 0, stays zero.

    Args:
        inputs: Text; its facts hold the vocabulary size.
        dim: The width of a vector.
        deviation: Standard deviation of the initial values.
    """

    def __init__(self, inputs: ModalitySpec, dim: int, deviation: float = 0.1) -> None:
        super().__init__(int(inputs.facts["vocabulary"]), dim, padding_idx=0)
        nn.init.normal_(self.weight, std=deviation)
        nn.init.zeros_(self.weight[0])


def id_lengths(inputs: ModalitySpec, column: Column) -> Array:
    """Return the padded token count of each text: the next multiple of 16, at most the longest possible text."""
    return bucketed(column, _STEP, inputs.main.bound)


def id_inputs(column: Column, length: int | None) -> tuple[Tensor, Tensor]:
    """Return ids (B, ``length``) and lengths (B,)."""
    assert length is not None
    ids, lengths = padded_inputs(column, length)
    return ids.long(), lengths
