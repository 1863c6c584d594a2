"""Raw tables: CSV, TSV, JSON lines, Parquet, standard input, or a folder; read row by row."""

from __future__ import annotations

import csv
import io
import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.rows import parse_row

FOLDER_KINDS = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp"),
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac", ".wma", ".aiff", ".aif"),
    "video": (".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m4v"),
    "tensor": (".npy", ".npz", ".safetensors", ".pt"),
    "text": (".txt", ".md"),
}
_LARGEST_CELL = 64 * 2**20


@dataclass(frozen=True)
class Table:
    """A raw table, read once from start to end.

    Args:
        name: What messages call it.
        root: The folder that media paths in it are relative to, as a person would type it.
        rows: Each row with the place it came from, such as ``a.csv, line 7``.
    """

    name: str
    root: str
    rows: Iterator[tuple[str, Row]]


def open_table(source: str, standard_input: Iterable[bytes] | None = None) -> Table:
    """Open a table by its suffix; ``-`` is JSON lines or CSV on standard input.

    Args:
        source: A path, or ``-``.
        standard_input: Its lines, where another has begun to read it.

    Raises:
        MmcliError: It is not there, of no known form, or its header is damaged; rows raise it where they are.
    """
    if source == "-":
        return Table(
            "standard input",
            ".",
            _read_stream(sys.stdin.buffer if standard_input is None else standard_input, "standard input"),
        )
    path = Path(source)
    if path.is_dir():
        return Table(source, source, _read_folder(path))
    if not path.exists():
        raise MmcliError(f"{source}: no such file")
    root = os.path.dirname(source) or "."
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return Table(source, root, _read_parquet(path))
    if suffix in (".jsonl", ".ndjson", ".json"):
        return Table(source, root, _read_json_lines(_lines(path), source))
    if suffix in (".csv", ".tsv", ".txt"):
        return Table(source, root, _read_csv(_open_text(path), source, "\t" if suffix == ".tsv" else None))
    raise MmcliError(
        f"{source}: unknown form {suffix or 'without suffix'!r}; expected .csv, .tsv, .jsonl, .parquet or a folder"
    )


def lines_as_they_come(handle: int) -> Iterator[list[bytes]]:
    """Return the lines of a pipe in groups: all that have come so far, as soon as there is one.

    Args:
        handle: A file descriptor.
    """
    left = b""
    while chunk := os.read(handle, 1 << 16):
        *whole, left = (left + chunk).split(b"\n")
        if whole:
            yield whole
    if left:
        yield [left]


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None


def _open_text(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from file
    except OSError as error:
        raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None


def _read_stream(lines: Iterable[bytes], name: str) -> Iterator[tuple[str, Row]]:
    stream = iter(lines)
    blank = []
    for first in stream:
        if first.strip():
            break
        blank.append(first)
    else:
        raise MmcliError(f"{name} brought no rows: did the command before it fail?")
    if first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        yield from _read_json_lines(itertools.chain(blank, [first], stream), name)
    else:
        text = io.TextIOWrapper(io.BufferedReader(_Rejoined(itertools.chain([first], stream))), "utf-8-sig", newline="")
        yield from _read_csv(text, name, None, skipped=len(blank))


class _Rejoined(io.RawIOBase):
    """A readable stream of given lines."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._lines, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _read_json_lines(lines: Iterable[bytes], name: str) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(lines, 1):
        if not line.isspace():
            where = f"{name}, line {number}"
            yield where, parse_row(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, where)


def _read_csv(lines: Iterable[str], name: str, delimiter: str | None, skipped: int = 0) -> Iterator[tuple[str, Row]]:
    try:
        yield from _parse_csv(lines, name, delimiter, skipped)
    except UnicodeDecodeError as error:
        raise MmcliError(f"{name}: not UTF-8 ({error.reason}); convert it, for example with iconv") from None


def _parse_csv(lines: Iterable[str], name: str, delimiter: str | None, skipped: int) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(_LARGEST_CELL)
    rest = iter(lines)
    first = next(rest, None)
    if first is None or first.isspace():
        raise MmcliError(f"{name}: empty; expected a header line with the names of the columns")
    if delimiter is None:
        delimiter = max(",;\t", key=first.count)
    reader = csv.reader(itertools.chain([first], rest), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in next(reader)]
        _check_header(columns, name)
        for cells in reader:
            where = f"{name}, line {reader.line_num + skipped}"
            if not cells:
                continue
            if len(cells) != len(columns):
                raise MmcliError(f"{where}: {len(cells)} cells, expected {len(columns)} as in the header")
            yield where, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise MmcliError(f"{name}, line {reader.line_num + skipped}: not CSV ({error})") from None


def _check_header(columns: list[str], name: str) -> None:
    for column in columns:
        if not column:
            raise MmcliError(f"{name}, line 1: column {columns.index(column) + 1} has no name")
        if columns.count(column) > 1:
            raise MmcliError(f"{name}, line 1: {columns.count(column)} columns are named {column!r}; rename them")


def _read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        _check_header(file.schema_arrow.names, str(path))
        number = 0
        for batch in file.iter_batches(batch_size=4096):
            for row in batch.to_pylist():
                number += 1
                where = f"{path}, row {number}"
                yield where, {name: _plain(value, where, name) for name, value in row.items()}
    except PermissionError as error:
        raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None
    except (pyarrow.ArrowException, OSError) as error:
        raise MmcliError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from None


def _plain(value: Any, where: str, column: str) -> Any:
    """Turn a Parquet value into one that JSON has."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list | tuple):
        return [_plain(item, where, column) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item, where, column) for key, item in value.items()}
    raise MmcliError(f"{where}: column {column!r} holds {type(value).__name__}, which has no text form; leave it out")


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MmcliError(f"{path}: not UTF-8 ({error.reason}); convert it, for example with iconv") from None


def _read_folder(folder: Path) -> Iterator[tuple[str, Row]]:
    """Read ``class/stem.ext``: files of one stem are one sample, the folder's name is its label."""
    kind_of = {suffix: kind for kind, suffixes in FOLDER_KINDS.items() for suffix in suffixes}
    samples: dict[tuple[str, str], Row] = {}
    for path in sorted(folder.glob("*/*")):
        kind = kind_of.get(path.suffix.lower())
        if kind is None or path.name.startswith(".") or path.parent.name.startswith("."):
            continue
        row = samples.setdefault((path.parent.name, path.stem), {})
        if kind in row:
            raise MmcliError(f"{path}: a second {kind} file of the sample {path.parent.name}/{path.stem}")
        row[kind] = _read_text(path) if kind == "text" else path.relative_to(folder).as_posix()
    if not samples:
        raise MmcliError(f"{folder}: no media files; expected a folder for each class with files in it, or a table")
    columns = sorted({column for row in samples.values() for column in row})
    for (label, stem), row in samples.items():
        identity = f"{label}/{stem}"
        yield (
            str(folder / identity),
            {"id": identity, "label": label} | {column: row.get(column, "") for column in columns},
        )
