"""Which column is of which kind, where no flag says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from mmcli.store.columns import Row
from mmcli.store.sources import FOLDER_KINDS

SAMPLE = 1000
TARGET_NAMES = ("target", "label", "class", "category", "y")
_NUMBER = re.compile(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_FILE_KINDS = {suffix: kind for kind, suffixes in FOLDER_KINDS.items() if kind != "text" for suffix in suffixes}


def infer_kind(values: Sequence[Any]) -> str | None:
    """Return the kind of a column from a sample of its cells: text, numeric, categorical, or a kind of file.

    None where every cell is empty, or where each cell differs and none has a space: names of something.
    """
    cells = [str(value).strip() for value in values if value is not None and str(value).strip()]
    if not cells:
        return None
    kinds = [_FILE_KINDS.get(PurePosixPath(cell).suffix.lower()) for cell in cells]
    for kind in set(kinds) - {None}:
        if kinds.count(kind) > len(cells) / 2:
            return kind
    if sum(_NUMBER.fullmatch(cell) is not None for cell in cells) >= 0.9 * len(cells):
        return "numeric"
    distinct = len(set(cells))
    if distinct <= max(2, min(100, len(cells) // 5)) and max(map(len, cells)) <= 64:
        return "categorical"
    if distinct == len(cells) and not any(" " in cell for cell in cells) and len(cells) > 1:
        return None
    return "text"


def infer_kinds(rows: Sequence[Row], taken: set[str]) -> dict[str, list[str]]:
    """Return the columns of each kind, but for those ``taken`` by id, split, target or group; kind ``""`` is unused."""
    found: dict[str, list[str]] = {}
    for column in rows[0] if rows else []:
        if column not in taken:
            found.setdefault(infer_kind([row.get(column) for row in rows]) or "", []).append(column)
    return found


def infer_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first column that has one of these names, whatever its case."""
    by_name = {column.lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)
