"""Reads stored texts for extractors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.columns import Column, Ragged


def token_lists(column: Column) -> Iterator[list[str]]:
    """Yield the tokens of each row as preprocess made them; tokens rarer than ``--min-count`` are empty."""
    return (joined.split("\n") if joined else [] for joined in column.texts("tokens"))


def check_not_empty(extractor: str, column: Column) -> None:
    """Check that each row has text.

    Raises:
        MmcliError: A row has none.
    """
    text = column.fields["text"]
    lengths = np.diff(text.offsets) if isinstance(text, Ragged) else np.ones(len(column))
    if not lengths.all():
        raise MmcliError(f"{extractor}: text {int(np.argmin(lengths))} of {len(column)} is empty")
