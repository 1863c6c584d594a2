"""Vectors inside a cell: a list, a JSON list, or NumPy's printed form."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array
from mmcli.store.literals import parse_literal

_LONGEST = 10_000_000
_PRINTED = re.compile(r"[\[\]\d\s.eE+-]+")
_BETWEEN = re.compile(r"(?<=[\d.])\s+(?=[-+\d.])")
_CLOSED = re.compile(r"\]\s*\[")
_PLAIN_NUMBERS = 8


def read_vector(cell: Any) -> Array | None:
    """Return the numbers of a cell, (D,) or (T, D); None if it holds something else, such as a file name.

    Raises:
        UnusableError: It is a list, but not of numbers or of lists of equal length.
    """
    if isinstance(cell, str):
        text = cell.strip()
        if not (text.startswith("[") and text.endswith("]")) or len(text) > _LONGEST:
            return None
        cell = _parsed(text)
        if cell is None:
            return None
    if not isinstance(cell, list):
        return None
    try:
        values = np.array(cell)
    except (ValueError, OverflowError, RecursionError):
        raise UnusableError("corrupt", "a list of lists that differ in length") from None
    if values.dtype.kind not in "iuf" or not values.size:
        raise UnusableError(
            "corrupt", "a list that holds other things than numbers" if values.size else "an empty list"
        )
    return values


def _parsed(text: str) -> Any:
    """Parse a text as a list; return None if it is not one."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if "..." in text:
        raise UnusableError("corrupt", "an array printed with ... in the place of numbers; write all of them")
    if not _PRINTED.fullmatch(text):
        return None
    try:
        return parse_literal(_CLOSED.sub("], [", _BETWEEN.sub(", ", text)))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def are_vectors(cells: list[Any]) -> bool:
    """Return whether the nonempty cells are vectors of one width: fractional numbers, or many numbers."""
    shapes: set[tuple[int, ...]] = set()
    fractions = False
    for cell in cells:
        try:
            values = read_vector(cell)
        except UnusableError:
            return False
        if values is None or values.ndim > 2:
            return False
        shapes.add((values.shape[-1], values.ndim))
        fractions = fractions or values.dtype.kind == "f"
    (width, _) = next(iter(shapes), (0, 0))
    return len(shapes) == 1 and width > 1 and (fractions or width >= _PLAIN_NUMBERS)
