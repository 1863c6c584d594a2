"""Folders that ``datasets`` saved: a data set, or one for each split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.arrow_rows import read_arrow

SPLIT = "split"
_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
_INDICES = ("_indices_files", "_indices_data_files")  # as datasets names them, and as it did


def is_saved(path: Path) -> bool:
    """Tell whether a folder is one that ``save_to_disk`` of a data set, or of a dictionary of them, wrote."""
    return (path / _SPLITS).is_file() or ((path / _STATE).is_file() and (path / _INFO).is_file())


def is_cache(path: Path) -> bool:
    """Tell whether a file is what ``map`` or ``filter`` left beside the data."""
    return path.name.startswith("cache-") and path.suffix == ".arrow"


def read_saved(path: Path, root: str) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """Return the columns and rows of a saved folder; those of a dictionary say in ``split`` which data set is theirs.

    Raises:
        MmcliError: A file is damaged, the rows were chosen without being written, or splits have other columns.
    """
    if not (path / _SPLITS).is_file():
        return read_arrow(_data_files(path), root)
    names = _read(path / _SPLITS).get("splits")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise MmcliError(f"{path / _SPLITS}: expected the names of the splits")
    columns: list[str] | None = None
    parts: list[tuple[str, Iterator[tuple[str, Row]]]] = []
    for name in names:
        own, rows = read_arrow(_data_files(path / name), root)
        if columns is not None and own != columns:
            raise MmcliError(f"{path / name}: its columns are not those of {path / names[0]}")
        columns = own
        parts.append((name, rows))
    assert columns is not None
    if SPLIT in columns:
        raise MmcliError(f"{path}: a column is named {SPLIT!r}, and the folder has splits; rename the column")
    return [*columns, SPLIT], ((where, {**row, SPLIT: name}) for name, rows in parts for where, row in rows)


def _data_files(path: Path) -> list[Path]:
    """Return the files of a data set: those that it names; others beside them are what ``map`` left."""
    state = _read(path / _STATE)
    if any(state.get(name) for name in _INDICES):
        raise MmcliError(
            f"{path}: its rows were selected or shuffled, but not written; call flatten_indices() on the dataset "
            "and save it again"
        )
    beside = [{"filename": file.name} for file in sorted(path.glob("*.arrow")) if not is_cache(file)]
    found = state.get("_data_files", beside)
    try:
        files = [path / str(each["filename"]) for each in found or ()]
    except (TypeError, KeyError):
        files = []
    if not files:
        raise MmcliError(f"{path / _STATE}: names no data files")
    for file in files:
        if file.parent != path or not file.is_file():
            raise MmcliError(f"{path / _STATE}: names {file.name}, which is not there")
    return files


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise MmcliError(f"{file}: cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise MmcliError(f"{file}: expected an object")
    return found
