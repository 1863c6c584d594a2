"""Raw tables: CSV, TSV, JSON lines, Parquet, standard input, or a folder; read row by row."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.delimited import DelimitedRows
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.folder import read_folder
from mmcli.store.sources.json_rows import read_json
from mmcli.store.sources.parquet_rows import read_parquet
from mmcli.store.sources.text_lines import LONGEST, check_encoding, joined, open_bytes, text_lines

TABBED = (".tsv", ".tab")
DELIMITED = (".csv", ".txt", *TABBED)
_REPAIRS = {
    ".xlsx": "save it as CSV from the program that made it",
    ".xls": "save it as CSV from the program that made it",
    ".ods": "save it as CSV from the program that made it",
    ".gz": "unpack it first, or gzip -dc FILE | mmcli … -",
    ".zip": "unpack it first",
}


@dataclass(frozen=True)
class Table:
    """A raw table, read once from start to end.

    Args:
        name: What messages call it.
        root: The folder that media paths in it are relative to, as a person would type it.
        rows: Each row with the place it came from, such as ``a.csv, line 7``.
        count: How many rows it says it has, where it says so.
        columns: Those of every row; None where a row may lack some, and later ones have more.
        notes: How it is read, where that is not plain.
        warnings: What may be wrong with it; more may come while it is read.
    """

    name: str
    root: str
    rows: Iterator[tuple[str, Row]]
    count: int | None = None
    columns: Sequence[str] | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def open_table(source: str, standard_input: Iterable[bytes] | None = None, text: TableText | None = None) -> Table:
    """Open a table by its suffix; ``-`` is JSON lines or CSV on standard input.

    Args:
        source: A path, or ``-``.
        standard_input: Its lines, where another has begun to read it.
        text: What a person says of how its text is written.

    Raises:
        MmcliError: It is not there, of no known form, or its header is damaged; rows raise it where they are.
        UsageError: There is no such encoding.
    """
    text = text or TableText()
    check_encoding(text.encoding)
    if source == "-":
        stream = sys.stdin.buffer if standard_input is None else joined(standard_input)
        return _open_stream(text_lines(stream, "standard input", text.encoding), text)
    path = Path(source)
    if path.is_dir():
        folder = read_folder(path, text.encoding)
        return Table(source, source, folder.rows, folder.count, folder.columns, warnings=folder.warnings)
    if not path.exists():
        raise MmcliError(f"{source}: no such file")
    root = os.path.dirname(source) or "."
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        count, columns, values = read_parquet(path)
        return Table(source, root, values, count, columns)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return Table(source, root, read_json(_file_lines(path, text.encoding), source))
    if suffix in DELIMITED:
        rows = DelimitedRows(_file_lines(path, text.encoding), source, text, tabs=suffix in TABBED)
        return Table(source, root, iter(rows), columns=rows.columns, notes=rows.notes, warnings=rows.warnings)
    repair = f" ({_REPAIRS[suffix]})" if suffix in _REPAIRS else ""
    raise MmcliError(
        f"{source}: unknown form {suffix or 'without suffix'!r}; expected .csv, .tsv, .jsonl, .parquet or a folder"
        f"{repair}"
    )


def lines_as_they_come(handle: int) -> Iterator[list[bytes]]:
    """Return the lines of a pipe in groups: all that have come so far, as soon as there is one.

    Args:
        handle: A file descriptor.

    Raises:
        MmcliError: A line is too long.
    """
    parts: list[bytes] = []
    size = 0
    while chunk := os.read(handle, 1 << 16):
        first, *others = chunk.split(b"\n")
        parts.append(first)
        size += len(first)
        if size > LONGEST:
            raise MmcliError(f"standard input: a line of more than {LONGEST:,} bytes; expected one row a line")
        if others:
            yield [b"".join(parts), *others[:-1]]
            parts = [others[-1]]
            size = len(others[-1])
    if size:
        yield [b"".join(parts)]


def _file_lines(path: Path, encoding: str) -> Iterator[str]:
    with open_bytes(path) as file:
        yield from text_lines(file, str(path), encoding)


def _open_stream(lines: Iterator[str], text: TableText) -> Table:
    name = "standard input"
    for skipped, first in enumerate(lines):
        if not first.isspace():
            whole = itertools.chain([first], lines)
            if first.lstrip().startswith(("{", "[")):
                return Table(name, ".", read_json(whole, name, skipped=skipped))
            rows = DelimitedRows(whole, name, text, skipped=skipped)
            return Table(name, ".", iter(rows), columns=rows.columns, notes=rows.notes, warnings=rows.warnings)
    raise MmcliError(f"{name} brought no rows: did the command before it fail?")
