"""Which column is of which kind, where no flag says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from mmcli.errors import UnusableError
from mmcli.modalities.cells import cell_number
from mmcli.store.columns import Row
from mmcli.store.sources import FOLDER_KINDS

SAMPLE = 1000
TARGET_NAMES = ("target", "label", "class", "category", "y")
_LABEL_LIKE = re.compile(r"[\x21-\x7e]{1,64}")
_FILE_KINDS = {suffix: kind for kind, suffixes in FOLDER_KINDS.items() if kind != "text" for suffix in suffixes}


def infer_kind(values: Sequence[Any]) -> str | None:
    """Return the kind of a column from a sample of its cells: text, numeric, categorical, or a kind of file.

    None where every cell is empty, or where each differs and is a short word of ASCII: names of something.
    """
    cells = [str(value).strip() for value in values if value is not None and str(value).strip()]
    if not cells:
        return None
    kinds = [_FILE_KINDS.get(PurePosixPath(cell).suffix.lower()) for cell in cells]
    for kind in set(kinds) - {None}:
        if kinds.count(kind) > len(cells) / 2:
            return kind
    numbers = [_is_number(value) for value in values]
    told = [number for number in numbers if number is not None]
    if told and sum(told) >= 0.9 * len(told):
        return "numeric"
    distinct = len(set(cells))
    if distinct <= max(2, min(100, len(cells) // 5)) and max(map(len, cells)) <= 64:
        return "categorical"
    if distinct == len(cells) > 1 and all(_LABEL_LIKE.fullmatch(cell) for cell in cells):
        return None
    return "text"


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
            found.setdefault(infer_kind([row.get(column) for row in rows]) or "", []).append(column)
    return found


def infer_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first column that has one of these names, whatever its case."""
    by_name = {column.lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)
