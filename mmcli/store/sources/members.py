"""Media inside other files: cells of Arrow and Parquet tables and members of tars, named by a text and read in place.

A name is ``FILE::COLUMN[ROW].suffix`` for a cell, and ``FILE::@OFFSET+SIZE/NAME`` for a member of a tar. The suffix
only says of what kind it seems to be.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from mmcli.errors import UnusableError

_CELL = re.compile(r"(?P<file>.+)::(?P<column>.+)\[(?P<row>\d{1,12})\](?:\.\w{1,10})?", re.DOTALL)
_PIECE = re.compile(r"(?P<file>.+)::@(?P<offset>\d{1,15})\+(?P<size>\d{1,15})/.*", re.DOTALL)
_KEPT = 2  # row groups
_SNIFFED = (
    (b"\x89PNG\r\n\x1a\n", 0, ".png"), (b"\xff\xd8\xff", 0, ".jpg"), (b"GIF8", 0, ".gif"), (b"WEBP", 8, ".webp"),
    (b"II*\0", 0, ".tif"), (b"MM\0*", 0, ".tif"), (b"BM", 0, ".bmp"), (b"ftypavif", 4, ".avif"),
    (b"ftyphei", 4, ".heic"), (b"WAVE", 8, ".wav"), (b"fLaC", 0, ".flac"), (b"OggS", 0, ".ogg"), (b"ID3", 0, ".mp3"),
    (b"\xff\xfb", 0, ".mp3"), (b"\xff\xf3", 0, ".mp3"), (b"ftypM4A", 4, ".m4a"), (b"AIFF", 8, ".aiff"),
    (b"AVI ", 8, ".avi"), (b"\x1aE\xdf\xa3", 0, ".mkv"), (b"ftyp", 4, ".mp4"), (b"\x93NUMPY", 0, ".npy"),
)  # fmt: skip


def cell_name(file: str, column: str, row: int, suffix: str) -> str:
    """Return the name of what a cell of a table holds."""
    return f"{file}::{column}[{row}]{suffix}"


def piece_name(file: str, offset: int, size: int, name: str) -> str:
    """Return the name of some bytes of a file, such as a member of a tar."""
    return f"{file}::@{offset}+{size}/{name}"


def sniffed_suffix(content: bytes) -> str:
    """Return the suffix that files which begin so have; "" where they are of no known kind of media."""
    return next((suffix for sign, at, suffix in _SNIFFED if content.startswith(sign, at)), "")


def parse_member(name: str) -> re.Match[str] | None:
    """Return the parts of a name: ``file`` with ``column`` and ``row``, or with ``offset`` and ``size``."""
    return _PIECE.fullmatch(name) or _CELL.fullmatch(name)


class Members:
    """Reads media inside other files; of tables the last row groups are kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._files: dict[str, Any] = {}
        self._groups: OrderedDict[tuple[str, str, int], Any] = OrderedDict()

    def read(self, path: str, member: re.Match[str], max_bytes: int) -> bytes:
        """Return the bytes that a name stands for.

        Args:
            path: The file, which is there.
            member: As ``parse_member`` returned it.
            max_bytes: The most to read.

        Raises:
            UnusableError: There is no such cell or piece, or it is too large.
        """
        parts = member.groupdict()
        if "offset" in parts:
            return _read_piece(path, int(parts["offset"]), int(parts["size"]), max_bytes)
        value = self._cell(path, parts["column"], int(parts["row"]))
        if isinstance(value, dict):
            value = value.get("bytes")
        if not isinstance(value, bytes):
            raise UnusableError("missing", "no bytes in the cell")
        return value

    def _cell(self, path: str, column: str, row: int) -> Any:
        import pyarrow

        try:
            with self._lock:
                if path not in self._files:
                    self._files[path] = open_groups(Path(path))
                groups = self._files[path]
                group, place = groups.find(row)
                key = (path, column, group)
                if key not in self._groups:
                    self._groups[key] = groups.read(group, column)
                    while len(self._groups) > _KEPT:
                        self._groups.popitem(last=False)
                values = self._groups[key]
            return values[place].as_py()
        except (pyarrow.ArrowException, OSError, KeyError, IndexError, ValueError):
            raise UnusableError("corrupt", f"no cell {column}[{row}] that can be read") from None


def _read_piece(path: str, offset: int, size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise UnusableError("skipped", f"larger than {max_bytes} bytes: --max-bytes")
    with open(path, "rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise UnusableError("corrupt", f"{len(content)} of {size} bytes are there")
    return content


def open_groups(path: Path) -> ParquetGroups | ArrowGroups:
    """Open a Parquet or Arrow file for reading of single cells."""
    with path.open("rb") as file:
        start = file.read(4)
    return ParquetGroups(path) if start == b"PAR1" else ArrowGroups(path)


class ParquetGroups:
    """The row groups of a Parquet file."""

    def __init__(self, path: Path) -> None:
        import numpy as np
        import pyarrow.parquet

        self.file = pyarrow.parquet.ParquetFile(path)
        sizes = [self.file.metadata.row_group(group).num_rows for group in range(self.file.metadata.num_row_groups)]
        self._ends = np.cumsum(sizes)

    def find(self, row: int) -> tuple[int, int]:
        """Return the group of a row and its place there."""
        return _find(self._ends, row)

    def read(self, group: int, column: str) -> Any:
        """Return a column of a group."""
        return self.file.read_row_group(group, columns=[column]).column(column)


class ArrowGroups:
    """The record batches of an Arrow file, in the form of a file or a stream; mapped, not read."""

    def __init__(self, path: Path) -> None:
        import numpy as np

        self.batches = list(arrow_batches(path))
        self._ends = np.cumsum([batch.num_rows for batch in self.batches])

    def find(self, row: int) -> tuple[int, int]:
        """Return the batch of a row and its place there."""
        return _find(self._ends, row)

    def read(self, group: int, column: str) -> Any:
        """Return a column of a batch."""
        return self.batches[group].column(column)


def arrow_batches(path: Path) -> Any:
    """Return the record batches of an Arrow file; their bytes are read when they are looked at.

    Each is checked first: pyarrow trusts what a file says of its own layout, and ends the process where it is wrong.
    """
    import pyarrow

    mapped = pyarrow.memory_map(str(path))
    with path.open("rb") as file:
        whole = file.read(6) == b"ARROW1"
    if whole:
        reader = pyarrow.ipc.open_file(mapped)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        batches = iter(pyarrow.ipc.open_stream(mapped))
    for batch in batches:
        batch.validate(full=True)
        yield batch


def _find(ends: Any, row: int) -> tuple[int, int]:
    import numpy as np

    group = int(np.searchsorted(ends, row, side="right"))
    if group == len(ends):
        raise IndexError
    return group, row - (int(ends[group - 1]) if group else 0)
