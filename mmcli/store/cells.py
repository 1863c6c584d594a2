"""Reads one cell of a table as text, as a number, or as empty."""

from __future__ import annotations

import math
import re
from typing import Any

from mmcli.errors import UnusableError

_NOTHING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "?"})
_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(
    "[-+]?[1-9]\\d{0,2}([ ,'\u00a0\u2009\u202f])\\d{3}(\\1\\d{3})*(\\.\\d*)?(e[-+]?\\d+)?", re.ASCII | re.IGNORECASE
)
_DECIMAL_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}([. '\u00a0\u202f]\d{3})+),\d+", re.ASCII)
_MARKED = re.compile(r"\D?\s?[-+]?\d[\d.,]*\s?\D?|[A-Z]{3}\s?[-+]?\d[\d.,]*|[-+]?\d[\d.,]*\s?[A-Z]{3}", re.ASCII)
_MARKS = re.compile(r"%|[A-Z]{3}|[$€£¥₹]")
LARGEST = 3.4e38


def cell_text(cell: Any, column: str) -> str | None:
    """Return the text of a cell unchanged; None if it is empty, white space or NaN.

    Raises:
        UnusableError: It is a list, an object, or not valid Unicode.
    """
    if isinstance(cell, list | dict):
        what = "a list" if isinstance(cell, list) else "an object"
        raise UnusableError("corrupt", f"column {column!r}: holds {what}, expected one value")
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    text = cell.removeprefix("\ufeff") if isinstance(cell, str) else str(cell)  # a byte order mark is no text
    if not text or text.isspace():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnusableError("corrupt", f"column {column!r}: holds half a surrogate pair, which no text has") from None
    return text


def cell_number(cell: Any, column: str) -> float | None:
    """Return the number in a cell; None if it is empty or a marker of a missing value (``NA``, ``null``, ``-``, ...).

    Thousands separators are accepted, as in ``1,234.5`` or ``1 234.5``; a decimal comma is not, and ``1,234`` is 1234.

    Raises:
        UnusableError: It is not a number, or float32 cannot hold it.
    """
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _NOTHING:
            return None
        if not _NUMBER.fullmatch(text):
            grouped = _GROUPED.fullmatch(text)
            if grouped is not None:
                text = text.replace(grouped[1], "")
            elif not _INFINITE.fullmatch(text):
                advised = advice(text)
                end = "" if advised is None else f" ({advised})"
                raise UnusableError("corrupt", f"column {column!r}: {_short(cell)!r} is not a number{end}")
        number = float(text)
    elif cell is None:
        return None
    elif isinstance(cell, int | float):
        number = math.inf if abs(cell) > LARGEST else float(cell)  # an int may be too large for a float
    else:
        raise UnusableError("corrupt", f"column {column!r}: {_short(str(cell))!r} is not a number")
    if math.isnan(number):
        return None
    if abs(number) > LARGEST:
        raise UnusableError(
            "corrupt", f"column {column!r}: {_short(str(cell))!r} is infinite, or too large for float32"
        )
    return number


def advice(cell: Any) -> str | None:
    """Return how to rewrite a cell as a number; None if it already is one, or is nothing like one."""
    text = cell.strip() if isinstance(cell, str) else ""
    if _NUMBER.fullmatch(text) or _GROUPED.fullmatch(text):
        return None
    if _DECIMAL_COMMA.fullmatch(text):
        return "write a decimal point for the comma"
    mark = _MARKS.search(text) if _MARKED.fullmatch(text) else None
    return None if mark is None else f"write it without {mark[0]}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
