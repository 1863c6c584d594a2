"""Which column is of which kind, where no flag says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from mmcli.errors import UnusableError
from mmcli.modalities.vector_cells import are_vectors
from mmcli.store.cells import advice, cell_number
from mmcli.store.columns import Row
from mmcli.store.sources.delimited import INDEX
from mmcli.store.sources.members import parse_member
from mmcli.store.suffixes import FOLDER_KINDS

SAMPLE = 1000
_KNOWN = 0.25  # of the cells of bytes in a column, those whose kind their first bytes must tell
_CODE = re.compile(r"0\d+|\d{16,}")
_CODE_NAME = re.compile(r"(?i:(^|[ _.-])(id|uuid|zip|(zip|post|postal)[ _-]?codes?|code))$|[a-z]I[Dd]$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.,+Z -]*)?|\d{1,2}([/.])\d{1,2}\2\d{2,4}")
_LABEL_LIKE = re.compile(r"[\x21-\x7e]{1,64}")
_FILE_KINDS = {suffix: kind for kind, suffixes in FOLDER_KINDS.items() if kind != "text" for suffix in suffixes}


def infer_kind(values: Sequence[Any], name: str = "") -> str | None:
    """Return the kind of a column from a sample of its cells: text, numeric, categorical, or a kind of file.

    Digits that are no quantity are categories: with leading zeros, too long for a float, or in a column named like
    ``zip`` or ``user_id``. None where every cell is empty, a list or an object, where each differs and is a short
    word of ASCII or a code (names of something), where there are many dates, and where cells are bytes of no known
    kind.
    """
    full = [value for value in values if value is not None and value == value and value != ""]
    if full and str(full[0]).lstrip().startswith("[") and are_vectors(full):
        return "tensor"
    if any(isinstance(value, list | dict) for value in values):
        return None
    cells = [str(value).strip() for value in values if value is not None and str(value).strip()]
    if not cells:
        return None
    kinds = [_FILE_KINDS.get(PurePosixPath(cell).suffix.lower()) for cell in cells]
    if holds_members(cells):
        return _kind_of_members([kind for kind in kinds if kind is not None], len(cells))
    for kind in set(kinds) - {None}:
        if kinds.count(kind) > len(cells) / 2:
            return kind
    numbers = [_is_number(value) for value in values]
    if name.startswith(INDEX) and len(set(cells)) == len(cells):
        return None
    told = [number for number in numbers if number is not None]
    if told and sum(told) >= 0.9 * len(told):
        if not any(map(_CODE.fullmatch, cells)) and not (_CODE_NAME.search(name) and all(map(str.isdigit, cells))):
            return "numeric"
        return None if len(set(cells)) == len(cells) > 1 else "categorical"
    distinct = len(set(cells))
    if distinct <= max(2, min(100, len(cells) // 5)) and max(map(len, cells)) <= 64:
        return "categorical"
    if distinct == len(cells) > 1 and all(_LABEL_LIKE.fullmatch(cell) for cell in cells):
        return None
    if sum(_DATE.fullmatch(cell) is not None for cell in cells) >= 0.9 * len(cells):
        return None
    return "text"


def holds_members(values: Sequence[Any]) -> bool:
    """Tell whether most cells that hold anything name bytes inside another file."""
    cells = [value for value in values if value is not None and value != ""]
    members = sum(isinstance(cell, str) and parse_member(cell) is not None for cell in cells)
    return members > len(cells) / 2


def _kind_of_members(known: Sequence[str], count: int) -> str | None:
    """Return the kind of most cells that are of a known one; some may be damaged, and most may not be of none."""
    if len(known) < count * _KNOWN:
        return None
    kind, times = Counter(known).most_common(1)[0]
    return kind if times > len(known) / 2 else None


def numbers_in_disguise(values: Sequence[Any]) -> tuple[str, str] | None:
    """Return a cell, and what would make it a number, where nine in ten are numbers but for a ``%`` or such."""
    cells = [value for value in values if isinstance(value, str) and value.strip()]
    marked = [(cell, advised) for cell in cells if (advised := advice(cell))]
    numbers = len(marked) + sum(_is_number(cell) is True for cell in cells)
    return marked[0] if marked and numbers >= 0.9 * len(cells) else None


def _is_number(value: Any) -> bool | None:
    """Tell whether a cell holds a number; None where it holds nothing, as ``NA`` does."""
    if isinstance(value, bool):
        return False
    try:
        return None if cell_number(value, "") is None else True
    except UnusableError:
        return False


def infer_kinds(rows: Sequence[Row], taken: set[str]) -> dict[str, list[str]]:
    """Return the columns of each kind, but for those ``taken`` by id, split, target or group; kind ``""`` is unused."""
    found: dict[str, list[str]] = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        if column not in taken:
            found.setdefault(infer_kind([row.get(column) for row in rows], column) or "", []).append(column)
    return found


def infer_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first column that has one of these names, whatever its case."""
    by_name = {column.lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)
