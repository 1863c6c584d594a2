"""Reads many cells of a column at once, with the same result as cell by cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import UnusableError
from mmcli.store.cells import LARGEST, cell_number, cell_text
from mmcli.store.string_rows import string_bytes

Found = TypeVar("Found")
_OF_NUMBERS = re.compile(r"[-+0-9.eE \n]*")
_NUMBER_BYTES = b"-+0123456789.eE"
_ERRORS = frozenset({"\\N", "#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"})
"""What databases and spreadsheets write for a missing value; never a category."""


def read_numbers(cells: Sequence[Any], column: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return the numbers (N,), NaN if there is none, and by position why a nonempty cell is not a number."""
    found = _plain_numbers(cells)
    if found is not None:
        return found, {}
    values, odd = _each(cells, column, cell_number)
    return np.array([np.nan if value is None else value for value in values], np.float64), odd


def read_strings(strings: Any, column: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Do the same for an Arrow array of strings."""
    found = _cast(strings)
    return (found, {}) if found is not None else read_numbers(strings.to_pylist(), column)


def _cast(strings: Any) -> NDArray[np.float64] | None:
    """Return numbers as Arrow parses them, if Python would parse the same; None if a cell may not be a number."""
    import pyarrow
    import pyarrow.compute

    if string_bytes(strings).translate(None, _NUMBER_BYTES):
        return None
    lengths = pyarrow.compute.binary_length(strings).to_numpy(zero_copy_only=False)
    if not lengths.all():
        strings = pyarrow.compute.if_else(pyarrow.array(lengths == 0), None, strings)
    try:
        found = strings.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    except pyarrow.ArrowInvalid:
        return None
    return None if (np.abs(found) > LARGEST).any() else found


def _plain_numbers(cells: Sequence[Any]) -> NDArray[np.float64] | None:
    """Do the same if every cell is empty or a number as Python writes it; None if one is not."""
    kinds = set(map(type, cells))
    try:
        if kinds == {str}:
            if not _OF_NUMBERS.fullmatch("\n".join(cells)):
                return None
            full = cells if "" not in cells else [cell or "nan" for cell in cells]
            found = np.array(list(map(float, full)), np.float64)
        elif kinds <= {int, float}:
            found = np.array(cells, np.float64)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return None if (np.abs(found) > LARGEST).any() else found


def read_categories(cells: Sequence[Any], column: str) -> tuple[list[str | None], dict[int, str]]:
    """Return the categories as written, in NFC and stripped; None for an empty cell."""
    return _each(cells, column, _category)


def _category(cell: Any, column: str) -> str | None:
    text = cell_text(cell, column)
    if text is None:
        return None
    text = text.strip()
    if text in _ERRORS:
        raise UnusableError("corrupt", f"column {column!r}: {text!r} is no category")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _each(
    cells: Sequence[Any], column: str, read: Callable[[Any, str], Found | None]
) -> tuple[list[Found | None], dict[int, str]]:
    values: list[Found | None] = []
    odd: dict[int, str] = {}
    for place, cell in enumerate(cells):
        try:
            values.append(read(cell, column))
        except UnusableError as problem:
            values.append(None)
            odd[place] = problem.reason
    return values, odd
