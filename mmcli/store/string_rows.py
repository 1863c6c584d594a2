"""Rows of a delimited table, whose cells are all strings, stored by column for readers of single columns."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from mmcli.store.columns import Array, Row
from mmcli.store.rows import SpooledRows, TemporaryFile
from mmcli.store.samples import ROW, SPLITS

_READ_AT_ONCE = 1024
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
_ESCAPED = bytes([*range(32), *b'"\\'])
"""The bytes that JSON strings escape."""


class StringRows(Sequence[Row]):
    """A sequence of rows backed by Arrow columns; the dicts are made on first access.

    Args:
        batch: An Arrow record batch of string columns without nulls.
        numbers: The number of each row, (N,), which becomes its cell ``row``.
    """

    def __init__(self, batch: Any, numbers: Array | None = None) -> None:
        self.batch = batch
        self._numbers = numbers
        self._made: list[Row] | None = None

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        return self._rows()[place]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows())

    def strings(self, column: str) -> Any:
        """Return a column as an Arrow array of strings; None if there is no such column."""
        place = self.batch.schema.get_field_index(column)
        return None if place < 0 else self.batch.column(place)

    def cells(self, column: str) -> list[Any]:
        """Return the cells of a column; all None if there is no such column."""
        strings = self.strings(column)
        return [None] * len(self) if strings is None else list(strings.to_pylist())

    def take(self, places: Array) -> StringRows:
        """Return the rows at these positions, in that order."""
        import pyarrow

        numbers = None if self._numbers is None else self._numbers[places]
        return StringRows(self.batch.take(pyarrow.array(places)), numbers)

    def _rows(self) -> list[Row]:
        if self._made is None:
            names = list(self.batch.schema.names)
            columns: list[Sequence[Any]] = [column.to_pylist() for column in self.batch.columns]
            if self._numbers is not None:
                names, columns = [*names, ROW], [*columns, self._numbers.tolist()]
            self._made = [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
        return self._made


class SpooledStrings:
    """Rows of strings in a temporary file, with their ids and splits.

    Args:
        columns: The columns of the table.
        identity: The column of ids; if the table lacks it, rows are numbered.
        split: The column of splits; the table's own values are replaced.
    """

    def __init__(self, columns: Sequence[str], identity: str, split: str) -> None:
        names = [identity, *(name for name in columns if name != identity)]
        self._kept = [name for name in names if name != split]
        self._names = names if split in names else [*names, split]
        self._numbered = identity not in columns
        self._identity, self._split = identity, split
        self._file = TemporaryFile(".arrow")
        self._map: mmap.mmap | None = None
        self._schema: Any = None
        self._places: list[tuple[int, int]] = []
        self._starts = [0]
        self._split_of: Array = np.zeros(0, np.uint8)

    def append(self, rows: StringRows) -> None:
        """Append rows."""
        import pyarrow

        columns = {name: rows.strings(name) for name in self._kept}
        if self._numbered:
            numbers = np.arange(len(self), len(self) + len(rows))
            columns[self._identity] = pyarrow.array(numbers).cast(pyarrow.string())
        batch = pyarrow.record_batch(list(columns.values()), names=list(columns))
        self._schema = batch.schema
        content = batch.serialize()
        self._places.append((self._file.size, content.size))
        self._file.write(content)
        self._starts.append(len(self) + len(rows))

    def close(self, split_of: Array) -> SpooledStrings:
        """Finish writing; ``split_of`` (N,) are the splits of the rows, as indexes into ``SPLITS``."""
        with open(self._file.path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._split_of = split_of
        return self

    def with_splits(self, column: str, splits: Iterable[str]) -> SpooledStrings:
        """Return the rows with the cells of the split column replaced."""
        assert column == self._split
        self._split_of = np.array([SPLITS.index(split) for split in splits], np.uint8)
        return self

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), _READ_AT_ONCE):
            yield from self.rows(start, min(start + _READ_AT_ONCE, len(self)))

    def rows(self, start: int, stop: int) -> StringRows:
        """Return rows ``start`` to ``stop``, exclusive."""
        return StringRows(self._batch(start, stop))

    def numbered(self, start: int, stop: int) -> StringRows:
        """Return rows ``start`` to ``stop``, exclusive, each with its number as ``row``."""
        return StringRows(self._batch(start, stop), np.arange(start, stop))

    def take(self, indexes: Iterable[int]) -> list[Row]:
        """Return the rows at these numbers, in that order."""
        wanted = np.array(list(indexes), np.int64)
        found: dict[int, Row] = {}
        for group in np.unique(wanted // _READ_AT_ONCE):
            start = int(group) * _READ_AT_ONCE
            numbers = np.unique(wanted[wanted // _READ_AT_ONCE == group])
            rows = self.rows(start, min(start + _READ_AT_ONCE, len(self))).take(numbers - start)
            found.update(zip(numbers.tolist(), rows, strict=True))
        return [found[number] for number in wanted.tolist()]

    def cells(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Return the cells of some columns, row by row."""
        for start in range(0, len(self), _READ_AT_ONCE):
            rows = self.rows(start, min(start + _READ_AT_ONCE, len(self)))
            yield from zip(*map(rows.cells, names), strict=True)

    def lines(self, start: int, stop: int) -> list[bytes]:
        """Return the JSON Lines of rows ``start`` to ``stop``, exclusive."""
        import pyarrow
        import pyarrow.compute

        batch = self._batch(start, stop)
        parts: list[Any] = []
        for name, strings in zip(batch.schema.names, batch.columns, strict=True):
            parts += ['", ' if parts else "{", f'{_ENCODE(name)}: "', _escaped(strings)]
        parts[:2] = [parts[0] + parts[1]]
        joined = pyarrow.compute.binary_join_element_wise(*parts, '"}', "")
        return list(joined.cast(pyarrow.binary()).to_pylist())

    def _batch(self, start: int, stop: int) -> Any:
        import pyarrow

        first = int(np.searchsorted(self._starts, start, "right")) - 1
        pieces = []
        for number in range(first, len(self._places)):
            begins = self._starts[number]
            if begins >= stop:
                break
            whole, place = self._read(number), max(start - begins, 0)
            pieces.append(whole.slice(place, min(stop - begins, whole.num_rows) - place))
        if not pieces:
            pieces = [pyarrow.record_batch([pyarrow.array([], pyarrow.string())] * len(self._kept), names=self._kept)]
        batch = pieces[0] if len(pieces) == 1 else pyarrow.concat_batches(pieces)
        splits = pyarrow.array(SPLITS).take(pyarrow.array(self._split_of[start:stop]))
        columns = [splits if name == self._split else batch.column(name) for name in self._names]
        return pyarrow.record_batch(columns, names=self._names)

    def _read(self, number: int) -> Any:
        import pyarrow

        assert self._map is not None
        start, size = self._places[number]
        content = pyarrow.py_buffer(memoryview(self._map)[start : start + size])
        return pyarrow.ipc.read_record_batch(content, self._schema)


Spool = SpooledRows | SpooledStrings


def string_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> StringRows:
    """Make rows from lists of cells."""
    import pyarrow

    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pyarrow.array(column, pyarrow.string()) for column in cells]
    return StringRows(pyarrow.record_batch(arrays, names=list(columns)))


def string_bytes(strings: Any) -> bytes:
    """Return the concatenated UTF-8 bytes of an Arrow array of strings."""
    _, offsets, values = strings.buffers()
    if values is None or not len(strings):
        return b""
    ends = np.frombuffer(offsets, np.int32)[strings.offset :]
    return bytes(memoryview(values)[int(ends[0]) : int(ends[len(strings)])])


def _escaped(strings: Any) -> Any:
    """Return strings escaped for JSON, without the quotes."""
    import pyarrow

    content = string_bytes(strings)
    if len(content.translate(None, _ESCAPED)) == len(content):
        return strings
    return pyarrow.array([_ENCODE(text)[1:-1] for text in strings.to_pylist()], pyarrow.string())
