"""Reads class names and lists of labels from cells, whatever their notation."""

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
"""Maximum length in characters of a cell that is read as a list."""


def class_name(target: Any) -> str | None:
    """Return the class name of a target; None if it is empty or not a single value.

    White space at the ends is stripped and text is NFC-normalised; 3, 3.0 and "3.0" are "3"; true, True and TRUE are
    "true".
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
    """Return the items of a list written as text; None if the cell is not a list.

    Accepted are ``['a', 'b']`` and ``{'a', 'b'}`` as Python writes them, JSON's ``["a", "b"]``, NumPy's
    ``['a' 'b']``, PostgreSQL's ``{a,"b c"}``, and ``[a, b]``. Empty items such as ``None`` become None. Parentheses
    enclose a list only if all its items are quoted.
    """
    text = cell.strip() if isinstance(cell, str) else ""
    if text in _EMPTY:
        return []
    if len(text) < 3 or len(text) > _LONGEST or _BRACKETS.get(text[0]) != text[-1]:
        return None
    return _items(text[1:-1], text[0])


def _items(text: str, bracket: str) -> list[str | None] | None:
    items: list[str | None] = []
    place, waiting, spaced = 0, True, True  # an item may follow: after a comma; a quoted one after white space
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            return None  # an unclosed quote
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
