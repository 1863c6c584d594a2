"""What extractors read of a stored text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.columns import Column, Ragged


def token_lists(column: Column) -> Iterator[list[str]]:
    """Give the tokens of each row as preprocess made them; one that is rarer than was asked for is empty."""
    return (joined.split("\n") if joined else [] for joined in column.texts("tokens"))


def check_not_empty(extractor: str, column: Column) -> None:
    """Make sure that each row has text.

    Raises:
        MmcliError: A row has none.
    """
    text = column.fields["text"]
    lengths = np.diff(text.offsets) if isinstance(text, Ragged) else np.ones(len(column))
    if not lengths.all():
        raise MmcliError(f"{extractor}: text {int(np.argmin(lengths))} of {len(column)} is empty")
