"""Single cells of bytes in Parquet and Arrow files: as little of a file is held as its form allows."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.store.sources.arrow_files import ArrowFile

BUFFER = 2**20
"""Bytes that are read of a Parquet file at once."""
_BATCH_BYTES = 2**24
_KEPT_BYTES = 2**26  # beyond which a batch goes before another is read
_KEPT_COLUMNS = 4
_MOST_ROWS = 1024


def open_cells(path: Path) -> ParquetCells | ArrowCells:
    """Open a Parquet or Arrow file for reading of single cells."""
    with path.open("rb") as file:
        start = file.read(4)
    return ParquetCells(path) if start == b"PAR1" else ArrowCells(path)


def bytes_of(scalar: Any) -> Any:
    """Return the buffer that a cell of bytes holds, or of bytes with a path; None where it is empty."""
    import pyarrow

    while isinstance(scalar, pyarrow.StructScalar | pyarrow.DictionaryScalar | pyarrow.ExtensionScalar):
        if not scalar.is_valid:
            return None
        scalar = scalar["bytes"] if isinstance(scalar, pyarrow.StructScalar) else scalar.value
    if not isinstance(scalar, pyarrow.BinaryScalar) or isinstance(scalar, pyarrow.StringScalar):
        return None
    return scalar.as_buffer()  # None where it is empty


def rows_at_once(metadata: Any) -> int:
    """Return how many rows of a Parquet file to read together, so that they are of a few megabytes."""
    most = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        most = max(most, group.total_byte_size // max(1, group.num_rows))
    return int(max(1, min(_MOST_ROWS, _BATCH_BYTES // most)))


class ParquetCells:
    """A Parquet file, each of whose columns is read on from the last cell that was asked for."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet

        self._file = pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
        metadata = self._file.metadata
        self._ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])
        self._rows = rows_at_once(metadata)
        self._columns: OrderedDict[str, _Reading] = OrderedDict()

    def read(self, column: str, row: int, max_bytes: int) -> Any:
        """Return the bytes in a cell, None where it is empty; of more than ``max_bytes`` one more."""
        group, place = _find(self._ends, row)
        reading = self._columns.pop(column, None)
        if reading is None or not reading.can_reach(group, place):
            reading = None  # what it holds goes before more is read
            batches = self._file.iter_batches(self._rows, row_groups=[group], columns=[column], use_threads=False)
            reading = _Reading(group, self._file.metadata.row_group(group).num_rows, batches)
        self._columns[column] = reading
        while len(self._columns) > _KEPT_COLUMNS:
            self._columns.popitem(last=False)
        found = bytes_of(reading.scalar(place))
        return None if found is None else found[: max_bytes + 1]


class _Reading:
    """A column of one row group, read forwards; the last batches are kept."""

    def __init__(self, group: int, count: int, batches: Iterator[Any]) -> None:
        self._group = group
        self._count = count
        self._batches = batches
        self._kept: deque[tuple[int, Any]] = deque()
        self._next = 0

    def can_reach(self, group: int, place: int) -> bool:
        first = self._kept[0][0] if self._kept else self._next
        return group == self._group and place >= first

    def scalar(self, place: int) -> Any:
        while place >= self._next:
            batch = next(self._batches, None)
            if batch is None:
                raise IndexError
            self._kept.append((self._next, batch.column(0)))
            self._next += batch.num_rows
            if self._next >= self._count:
                self._batches = iter(())  # and what it held
            while len(self._kept) > 1 and sum(values.nbytes for _, values in self._kept) > _KEPT_BYTES:
                self._kept.popleft()
        start, values = next(each for each in reversed(self._kept) if each[0] <= place)
        return values[place - start]


class ArrowCells:
    """An Arrow file: the batches of the last cells that were read are kept."""

    def __init__(self, path: Path) -> None:
        self._file = ArrowFile(path)
        self._ends = np.cumsum(self._file.sizes())
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def read(self, column: str, row: int, max_bytes: int) -> Any:
        """Return the bytes in a cell, None where it is empty; of more than ``max_bytes`` one more."""
        number, place = _find(self._ends, row)
        while number not in self._kept and sum(batch.nbytes for batch in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        batch = self._kept.pop(number, None) or self._file.batch(number)
        self._kept[number] = batch
        found = bytes_of(batch.column(column)[place])
        return None if found is None else found[: max_bytes + 1]


def _find(ends: Any, row: int) -> tuple[int, int]:
    group = int(np.searchsorted(ends, row, side="right"))
    if group == len(ends):
        raise IndexError
    return group, row - (int(ends[group - 1]) if group else 0)
