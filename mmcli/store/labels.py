"""What a cell says where it names a class or lists labels: the same name however it is written."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Literal

from mmcli.store.literals import parse_literal

EmptyTarget = Literal["error", "drop", "none"]
DECIMAL = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.(\d+))?", re.ASCII)
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,'"]+|,""", re.DOTALL)
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
_EMPTY = frozenset({"[]", "{}", "()", "set()"})
_NOTHING = frozenset({"None", "null", "nan", "NaN"})
_LONGEST = 100_000
"""Characters of a cell that may be a list."""


def class_name(target: Any) -> str | None:
    """Return the name of a target's class; None where it is empty or not a single value.

    White space around it does not count, letters are in Unicode's form NFC, 3, 3.0 and "3.0" are "3", and true,
    True and TRUE are "true".
    """
    if target is None or isinstance(target, list | tuple | dict | set) or target != target:
        return None
    text = str(target).removeprefix("\ufeff").strip()
    if not text:
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if text.lower() in ("true", "false"):
        return text.lower()
    number = DECIMAL.fullmatch(text)
    if number is None:
        return text
    fraction = (number[2] or "").rstrip("0")
    return f"{number[1]}.{fraction}" if fraction else number[1].replace("-0", "0")


def listed(cell: Any) -> list[str | None] | None:
    """Return the items of a list written as text; None where a cell is no such list.

    That is ``['a', 'b']`` and ``{'a', 'b'}`` as Python writes them, ``["a", "b"]`` as JSON does, ``['a' 'b']`` as
    NumPy does, ``{a,"b c"}`` as PostgreSQL does, and ``[a, b]``. An item that says nothing, as ``None``, is None.
    Round brackets hold a list only where all in them stands in quotes.
    """
    text = cell.strip() if isinstance(cell, str) else ""
    if text in _EMPTY:
        return []
    if len(text) < 3 or len(text) > _LONGEST or _BRACKETS.get(text[0]) != text[-1]:
        return None
    return _items(text[1:-1], text[0])


def _items(text: str, bracket: str) -> list[str | None] | None:
    items: list[str | None] = []
    place, waiting, spaced = 0, True, True  # for an item after a comma, or after white space before a quote
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            return None  # a quote that is not closed
        part, place = token[0], token.end()
        if part == ",":
            if waiting:
                return None
            waiting = spaced = True
        elif part[0] in "'\"":
            if not (waiting or spaced):
                return None
            items.append(_unquoted(part))
            waiting = spaced = False
        elif part.isspace():
            spaced = True
        else:
            if not waiting or bracket == "(" or any(letter in "[]{}" for letter in part):
                return None
            if bracket == "{" and ":" in part:
                return None  # an object
            items.append(None if part.strip() in _NOTHING else part.strip())
            waiting = spaced = False
    return items if items else None


def _unquoted(part: str) -> str:
    if "\\" not in part:
        return part[1:-1]
    for read in (json.loads, parse_literal) if part[0] == '"' else (parse_literal,):
        try:
            return str(read(part))
        except (ValueError, SyntaxError):
            continue
    return re.sub(r"\\(.)", r"\1", part[1:-1], flags=re.DOTALL)
