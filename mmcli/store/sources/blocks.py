"""Reads delimited tables in blocks of many rows, without looking at each cell unless needed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.compressed import unpacked
from mmcli.store.sources.delimited import DelimitedRows
from mmcli.store.sources.dialect import Dialect
from mmcli.store.sources.text_lines import LONGEST, is_plain_utf8, joined, open_bytes, text_lines
from mmcli.store.string_rows import StringRows, string_rows

_BYTES_AT_ONCE = 2**22
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Block:
    """Consecutive rows.

    Args:
        rows: Their cells.
        place: Returns the place of a row for messages, by its number in the block.
    """

    rows: StringRows
    place: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.rows)

    def placed(self) -> Iterator[tuple[str, Row]]:
        """Return each row with its place."""
        return ((self.place(number), row) for number, row in enumerate(self.rows))

    def first(self, count: int) -> Block:
        """Return the first ``count`` rows."""
        return Block(StringRows(self.rows.batch.slice(0, count)), self.place)


def read_blocks(rows: DelimitedRows, path: Path, encoding: str) -> Iterator[Block]:
    """Read the table whose header ``rows`` has read.

    Arrow splits blocks of plain lines. From the first block with a quote, a line with too few or too many cells, or
    anything else unusual, ``rows`` reads instead.

    Raises:
        MmcliError: As ``rows`` does, after the rows above have been yielded.
    """
    above = rows.above
    with open_bytes(path) as file, unpacked(file, path) as content:
        stream = content if isinstance(content, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, content))
        header = b"".join(stream.readline(LONGEST) for _ in range(above))
        if not is_plain_utf8(header or stream.peek(4), encoding) or _has_lone_return(header):
            yield from _grouped(iter(rows), rows.columns)
            return
        while chunk := _whole_lines(stream):
            batch = _cut(chunk, rows.dialect, rows.columns)
            if batch is None:
                rest = joined(chain([chunk], iter(lambda: stream.read(_BYTES_AT_ONCE), b"")))
                yield from _grouped(rows.below(text_lines(rest, str(path), encoding, above), above), rows.columns)
                return
            yield Block(StringRows(batch), _Lines(rows.name, above + 1))
            above += batch.num_rows


@dataclass(frozen=True)
class _Lines:
    name: str
    first: int

    def __call__(self, number: int) -> str:
        return f"{self.name}, line {self.first + number}"


def _whole_lines(stream: BinaryIO) -> bytes:
    chunk = stream.read(_BYTES_AT_ONCE)
    return chunk if chunk.endswith(b"\n") else chunk + stream.readline(LONGEST)


def _has_lone_return(text: bytes) -> bool:
    return b"\r" in text and text.count(b"\r") != text.count(b"\r\n")


def _has_empty_line(text: bytes) -> bool:
    return text.startswith((b"\n", b"\r\n")) or b"\n\n" in text or b"\n\r\n" in text


def _cut(chunk: bytes, dialect: Dialect, columns: Sequence[str]) -> Any:
    """Return the cells of lines as an Arrow record batch; None if the lines must be read one by one."""
    import pyarrow
    import pyarrow.csv

    if len(columns) < 2 or dialect.spaced or not dialect.delimiter.isascii() or len(chunk) >= LONGEST:
        return None
    if (dialect.quoted and b'"' in chunk) or b"\0" in chunk or _has_lone_return(chunk) or _has_empty_line(chunk):
        return None
    try:
        if not chunk.isascii():
            chunk.decode()
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(chunk),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=len(chunk), column_names=list(columns)),
            pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                check_utf8=False, column_types=dict.fromkeys(columns, pyarrow.string()), strings_can_be_null=False
            ),
        )
    except (UnicodeDecodeError, pyarrow.ArrowInvalid):
        return None
    return table.combine_chunks().to_batches()[0]


def _grouped(rows: Iterator[tuple[str, Row]], columns: Sequence[str]) -> Iterator[Block]:
    """Yield rows in blocks; those above a refused row come before the error."""
    while True:
        places: list[str] = []
        cells: list[tuple[str, ...]] = []
        refused: MmcliError | None = None
        try:
            for where, row in rows:
                places.append(where)
                cells.append(tuple(row.values()))
                if len(cells) == _ROWS_AT_ONCE:
                    break
        except MmcliError as error:
            refused = error
        if cells:
            yield Block(string_rows(columns, cells), places.__getitem__)
        if refused is not None:
            raise refused
        if len(cells) < _ROWS_AT_ONCE:
            return
