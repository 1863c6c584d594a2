"""Rows as JSON Lines on disk, read by position and never all in memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.columns import Array, Row

_CHUNK = 2**20
_WRITTEN_AT_ONCE = 2**20
_ROWS = 1024
_DEEPEST = 64
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def dump_row(row: Row) -> bytes:
    """Return a row as one JSON line, with its line feed."""
    try:
        text = _ENCODE(row)
    except ValueError:
        text = json.dumps(_without_nan(row), ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate: not valid in UTF-8, but JSON can escape it
        return json.dumps(json.loads(text)).encode() + b"\n"


def _without_nan(value: Any) -> Any:
    """Replace what JSON lacks: NaN by null (an empty cell), infinity by its name."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return value


class _TwiceError(ValueError):
    """An object has the same key twice."""


def _only_once(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(f"two values are named {next(name for name in names if names.count(name) > 1)!r}")
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_only_once)


def parse_row(line: bytes | str, where: str) -> Row:
    """Read one line.

    Raises:
        MmcliError: It is not a JSON object; the message starts with ``where``.
    """
    try:
        row = _DECODER.decode(line if isinstance(line, str) else line.decode())
    except (ValueError, RecursionError) as error:
        raise MmcliError(f"{where}: {_why(error)}") from None
    return _checked(row, line, where)


def parse_first(text: str, where: str) -> tuple[Row, str]:
    """Read the JSON object at the start of a text; return it and the rest.

    Raises:
        MmcliError: The text does not start with a JSON object; the message starts with ``where``.
    """
    try:
        row, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise MmcliError(f"{where}: {_why(error)}") from None
    return _checked(row, text[:end], where), text[end:]


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg} at character {error.pos + 1})"
    if isinstance(error, _TwiceError):
        return str(error)
    if isinstance(error, RecursionError):
        return f"JSON nested more than {_DEEPEST} levels deep"
    if isinstance(error, UnicodeDecodeError):
        return f"not JSON ({error})"
    return "JSON with a number of thousands of digits"  # more than int() accepts


def _checked(row: Any, line: bytes | str, where: str) -> Row:
    if not isinstance(row, dict):
        raise MmcliError(f"{where}: expected a JSON object, found {type(row).__name__}")
    opened = line.count("[") + line.count("{") if isinstance(line, str) else line.count(b"[") + line.count(b"{")
    if opened > _DEEPEST and _depth(row) > _DEEPEST:
        raise MmcliError(f"{where}: JSON nested more than {_DEEPEST} levels deep")
    return row


def _depth(value: Any) -> int:
    """Return how deep lists and objects are nested."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def _is_long(value: Any) -> bool:
    """Return whether a value is or contains an integer of more than 64 bits, which orjson would round."""
    if isinstance(value, int):
        return not -(2**63) <= value < 2**63
    if isinstance(value, dict):
        return any(map(_is_long, value.values()))
    return isinstance(value, list) and any(map(_is_long, value))


class RowLines(Sequence[Row]):
    """Rows in memory as JSON lines, a fraction of their size as objects; a row read is a new object each time."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, row: Row) -> None:
        """Add a row."""
        self.lines.append(dump_row(row))

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [json.loads(line) for line in self.lines[index]]
        found: Row = json.loads(self.lines[index])
        return found


class RowFile:
    """A file of JSON Lines with access by row number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets: Array | None = None

    def __len__(self) -> int:
        return len(self._starts()) - 1

    def __iter__(self) -> Iterator[Row]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield parse_row(line, f"{self.path}, line {number}")

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return rows ``start`` to ``stop``, exclusive."""
        return self._parsed(self._content(start, stop).split(b"\n")[: stop - start], start)

    def _content(self, start: int, stop: int) -> bytes:
        offsets = self._starts()
        with self.path.open("rb") as file:
            file.seek(int(offsets[start]))
            return file.read(int(offsets[stop] - offsets[start]))

    def _parsed(self, lines: Sequence[bytes], start: int) -> list[Row]:
        return [parse_row(line, f"{self.path}, line {start + number}") for number, line in enumerate(lines, 1)]

    def take(self, indexes: Iterable[int]) -> list[Row]:
        """Return the rows at these numbers, in that order."""
        return [self.rows(int(index), int(index) + 1)[0] for index in indexes]

    def _chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def _starts(self) -> Array:
        if self._offsets is None:
            offsets = np.zeros(sum(chunk.count(b"\n") for chunk in self._chunks()) + 1, np.int64)
            count, read = 1, 0
            for chunk in self._chunks():
                here = np.flatnonzero(np.frombuffer(chunk, np.uint8) == 10) + (read + 1)
                offsets[count : count + len(here)] = here
                count, read = count + len(here), read + len(chunk)
            self._offsets = offsets if offsets[-1] == read else np.append(offsets, read)  # no line feed at the end
        return self._offsets


class ChosenRows(RowFile):
    """A selection of a file's rows; only these are read."""

    def __init__(self, rows: RowFile, chosen: Array) -> None:
        super().__init__(rows.path)
        self._whole = rows
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), _ROWS):
            yield from self.rows(start, min(start + _ROWS, len(self)))

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the chosen rows ``start`` to ``stop``, exclusive."""
        numbers = self._chosen[start:stop]
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
        return [row for run in runs if len(run) for row in self._whole.rows(int(run[0]), int(run[-1]) + 1)]


class TemporaryFile:
    """A file that is deleted when the process ends.

    Args:
        suffix: The suffix of its name.
    """

    def __init__(self, suffix: str) -> None:
        # Unbuffered, so that no write is left that could fail when the file is deleted.
        self._file = tempfile.NamedTemporaryFile(prefix="mmcli-", suffix=suffix, buffering=0)  # noqa: SIM115 - lives as long as we
        self.path = Path(self._file.name)
        self.size = 0

    def write(self, content: Any) -> None:
        """Append bytes."""
        left = memoryview(content)
        self.size += left.nbytes
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None


class SpooledRows(RowFile):
    """Rows in a temporary file that only this object writes."""

    def __init__(self) -> None:
        self._file = TemporaryFile(".jsonl")
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._long = False
        super().__init__(self._file.path)

    def append(self, row: Row) -> None:
        """Append a row."""
        line = dump_row(row)
        if not self._long and set(map(type, row.values())) != {str}:
            self._long = any(map(_is_long, row.values()))
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= _WRITTEN_AT_ONCE:
            self._write()

    def close(self) -> SpooledRows:
        """Finish writing."""
        self._write()
        return self

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), _ROWS):
            yield from self.rows(start, min(start + _ROWS, len(self)))

    def numbered(self, start: int, stop: int) -> list[Row]:
        """Return rows ``start`` to ``stop``, exclusive, each with its number as ``row``."""
        return [{**row, "row": number} for number, row in enumerate(self.rows(start, stop), start)]

    def cells(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Return the cells of some columns, row by row."""
        return (tuple(row.get(name) for name in names) for row in self)

    def lines(self, start: int, stop: int) -> list[bytes]:
        """Return the JSON Lines of rows ``start`` to ``stop``, exclusive."""
        return self._content(start, stop).split(b"\n")[: stop - start]

    def with_splits(self, column: str, splits: Iterable[str]) -> SpooledRows:
        """Return the rows with the cells of the split column replaced."""
        changed = SpooledRows()
        for row, split in zip(self, splits, strict=True):
            row[column] = split
            changed.append(row)
        return changed.close()

    def _parsed(self, lines: Sequence[bytes], start: int) -> list[Row]:
        if self._long:
            return list(map(json.loads, lines))
        import orjson

        try:
            return list(map(orjson.loads, lines))
        except orjson.JSONDecodeError:  # a lone surrogate
            return list(map(json.loads, lines))

    def _write(self) -> None:
        self._file.write(b"".join(self._waiting))
        self._waiting, self._waiting_bytes = [], 0
