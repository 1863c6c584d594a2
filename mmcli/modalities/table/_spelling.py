"""Merges different spellings of a category: 1 and 1.0, true and TRUE."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Spelling = Literal["text", "number", "boolean"]
_NUMBER = re.compile(r"[-+]?(0|[1-9]\d{0,14})(\.\d{0,15})?(e\+?\d)?", re.ASCII | re.IGNORECASE)
_BOOLEANS = frozenset({"true", "false"})


def told_spelling(values: Iterable[str]) -> Spelling:
    """Return how a column's categories are compared, based on the train rows.

    Numbers without leading zeros are compared as numbers, ``true`` and ``false`` ignoring case, and everything else
    letter by letter, so that ``01`` is not ``1``.
    """
    found = set(values)
    if found and all(_NUMBER.fullmatch(value) for value in found):
        return "number"
    if found and all(value.lower() in _BOOLEANS for value in found):
        return "boolean"
    return "text"


def spelled(value: str, spelling: Spelling) -> str:
    """Return the canonical spelling of a category."""
    if spelling == "boolean":
        lower = value.lower()
        return lower if lower in _BOOLEANS else value
    if spelling == "number" and _NUMBER.fullmatch(value):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return value
