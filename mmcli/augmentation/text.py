"""Random changes of token ids."""

from __future__ import annotations

import torch
from torch import Tensor

Inputs = tuple[Tensor, ...]
_UNKNOWN_ID = 1
_MOST_DROPPED = 0.3


def word_dropout(inputs: Inputs, strength: float) -> Inputs:
    """Replace up to 30% of the words by the id of unknown words.

    Source: Iyyer et al. 2015, Deep Unordered Composition Rivals Syntactic Methods, section 3.1.
    """
    ids, lengths, *rest = inputs
    own = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
    dropped = own & (torch.rand(ids.shape, device=ids.device) < _MOST_DROPPED * strength)
    return (ids.masked_fill(dropped, _UNKNOWN_ID), lengths, *rest)


OPERATIONS = {"word_dropout": word_dropout}
