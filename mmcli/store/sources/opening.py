"""Raw tables: CSV, TSV, JSON Lines, Parquet, standard input, or a folder; read row by row."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.arrow_rows import read_arrow, read_parquet
from mmcli.store.sources.blocks import Block, read_blocks
from mmcli.store.sources.coco import COLUMNS as COCO_COLUMNS
from mmcli.store.sources.coco import NOTE as COCO_NOTE
from mmcli.store.sources.coco import is_coco, read_coco
from mmcli.store.sources.compressed import SUFFIXES as COMPRESSED
from mmcli.store.sources.compressed import unpacked
from mmcli.store.sources.delimited import DelimitedRows
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.excel import read_excel
from mmcli.store.sources.folder import read_folder
from mmcli.store.sources.json_rows import read_json
from mmcli.store.sources.saved import is_cache, is_saved, read_saved
from mmcli.store.sources.tars import expand_shards, read_splits, read_tars, tars_of_splits
from mmcli.store.sources.text_lines import LONGEST, check_encoding, joined, open_bytes, text_lines

TABBED = (".tsv", ".tab")
DELIMITED = (".csv", ".txt", *TABBED)
_JSON = (".jsonl", ".ndjson", ".json")
_ARROW = (".arrow", ".feather", ".ipc")
_PARQUET = (".parquet", ".pq")
_WORKBOOKS = (".xlsx", ".xlsm")
_TAR = (".tar",)
_FORMS = (*DELIMITED, *_JSON, *_ARROW, *_PARQUET, *_WORKBOOKS, *_TAR)
_REPAIRS = {
    ".xls": "save it as .xlsx or CSV",
    ".ods": "save it as .xlsx or CSV",
    ".zip": "unpack it first",
    ".tgz": "unpack it to .tar",
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
        blocks: Reads the rows many at a time instead, where all their cells are strings.
        holds_members: Whether cells may name bytes inside it.
    """

    name: str
    root: str
    rows: Iterator[tuple[str, Row]]
    count: int | None = None
    columns: Sequence[str] | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    blocks: Callable[[], Iterator[Block]] | None = None
    holds_members: bool = False


def open_table(
    source: str,
    standard_input: Iterable[bytes] | None = None,
    text: TableText | None = None,
    on_bad: Callable[[int, str], None] | None = None,
) -> Table:
    """Open a table by its suffix; ``-`` is JSON Lines or CSV on standard input.

    Args:
        source: A path, or ``-``.
        standard_input: Its lines, where another has begun to read it.
        text: What a person says of how its text is written.
        on_bad: Of CSV on standard input: is told of lines with too few or too many cells, which are passed over.

    Raises:
        MmcliError: It is not there, of no known form, or its header is damaged; rows raise it where they are.
        UsageError: There is no such encoding, or ``text`` says what has no meaning for the table's form.
    """
    text = text or TableText()
    check_encoding(text.encoding)
    if source == "-":
        stream = sys.stdin.buffer if standard_input is None else joined(standard_input)
        return _open_stream(text_lines(stream, "standard input", text.encoding), text, on_bad)
    if "{" in source and not Path(source).exists() and source.endswith(".tar"):
        text.check_fits(source)
        return _open_tars(source, expand_shards(source), os.path.dirname(source) or ".")
    path = Path(source)
    if path.is_dir():
        text.check_fits(source)
        return _open_folder(source, path, text)
    if not path.exists():
        raise MmcliError(f"{source}: no such file")
    return _open_file(source, path, os.path.dirname(source) or ".", text)


def _open_folder(source: str, path: Path, text: TableText) -> Table:
    """Open a folder: one that datasets saved, parts of a table, shards, or files in folders of classes."""
    if is_saved(path):
        columns, rows = read_saved(path, source)
        return Table(source, source, rows, columns=columns, holds_members=True)
    if tars := tars_of_splits(path):
        warnings: list[str] = []
        return Table(source, source, read_splits(tars, source, warnings), warnings=warnings, holds_members=True)
    for pattern in ("*.tar", "*.arrow"):
        parts = [each for each in sorted(path.glob(pattern)) if not is_cache(each)]
        if parts and not any(each.is_dir() for each in path.iterdir()):
            if pattern == "*.tar":
                return _open_tars(source, parts, source)
            return _open_arrow(source, parts, source)
    folder = read_folder(path, text.encoding)
    return Table(source, source, folder.rows, folder.count, folder.columns, warnings=folder.warnings)


def _open_file(source: str, path: Path, root: str, text: TableText) -> Table:
    suffix = path.suffix.lower()
    if suffix in COMPRESSED:
        suffix = Path(path.stem).suffix.lower()
        if suffix not in (*_JSON, *DELIMITED):
            raise MmcliError(
                f"{source}: of compressed files {', '.join((*_JSON, *DELIMITED))} are read; unpack it first"
            )
    if suffix in _FORMS:
        text.check_fits(source, delimited=suffix in DELIMITED, workbook=suffix in _WORKBOOKS)
    if suffix in _PARQUET:
        count, columns, values = read_parquet(path, root)
        return Table(source, root, values, count, columns, holds_members=True)
    if suffix in _ARROW:
        return _open_arrow(source, [path], root)
    if suffix in _TAR:
        return _open_tars(source, [path], root)
    if suffix in _WORKBOOKS:
        warnings: list[str] = []
        columns, values = read_excel(path, text.sheet, warnings)
        return Table(source, root, values, columns=columns, warnings=warnings)
    if suffix == ".json" and is_coco(path):
        count, values = read_coco(path)
        return Table(source, root, values, count, COCO_COLUMNS, [COCO_NOTE])
    if suffix in _JSON:
        return Table(source, root, read_json(_file_lines(path, text.encoding), source))
    if suffix in DELIMITED:
        rows = DelimitedRows(_file_lines(path, text.encoding), source, text, tabs=suffix in TABBED)
        blocks = partial(read_blocks, rows, path, text.encoding)
        return Table(source, root, iter(rows), None, rows.columns, rows.notes, rows.warnings, blocks)
    repair = f" ({_REPAIRS[suffix]})" if suffix in _REPAIRS else ""
    raise MmcliError(
        f"{source}: unknown form {suffix or 'without suffix'!r}; expected .csv, .tsv, .jsonl, .parquet, .arrow, .xlsx, "
        f".tar or a folder{repair}"
    )


def _open_arrow(source: str, paths: Sequence[Path], root: str) -> Table:
    columns, rows = read_arrow(paths, root)
    return Table(source, root, rows, columns=columns, holds_members=True)


def _open_tars(source: str, paths: Sequence[Path], root: str) -> Table:
    warnings: list[str] = []
    return Table(source, root, read_tars(paths, root, warnings), warnings=warnings, holds_members=True)


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
    with open_bytes(path) as file, unpacked(file, path) as content:
        yield from text_lines(content, str(path), encoding)


def _open_stream(lines: Iterator[str], text: TableText, on_bad: Callable[[int, str], None] | None) -> Table:
    name = "standard input"
    for skipped, first in enumerate(lines):
        if not first.isspace():
            whole = itertools.chain([first], lines)
            if first.lstrip().startswith(("{", "[")):
                text.check_fits(name)
                return Table(name, ".", read_json(whole, name, skipped=skipped))
            text.check_fits(name, delimited=True)
            rows = DelimitedRows(whole, name, text, skipped=skipped, on_bad=on_bad)
            return Table(name, ".", iter(rows), columns=rows.columns, notes=rows.notes, warnings=rows.warnings)
    raise MmcliError(f"{name} has no rows: did the upstream command fail?")
