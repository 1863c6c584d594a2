"""Media inside other files: cells of Arrow and Parquet tables and members of tars, named by a text and read in place.

A name is ``FILE::COLUMN[ROW].suffix`` for a cell, and ``FILE::@OFFSET+SIZE/NAME`` for a member of a tar. The suffix
only says of what kind it seems to be.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from threading import Lock

from mmcli.errors import UnusableError
from mmcli.store.sources.table_cells import ArrowCells, ParquetCells, open_cells

_CELL = re.compile(r"(?P<file>.+)::(?P<column>.+)\[(?P<row>\d{1,12})\](?:\.\w{1,10})?", re.DOTALL)
_PIECE = re.compile(r"(?P<file>.+)::@(?P<offset>\d{1,15})\+(?P<size>\d{1,15})/.*", re.DOTALL)
_KEPT = 2  # open files
_SNIFFED = (
    (b"\x89PNG\r\n\x1a\n", 0, ".png"), (b"\xff\xd8\xff", 0, ".jpg"), (b"GIF8", 0, ".gif"), (b"WEBP", 8, ".webp"),
    (b"II*\0", 0, ".tif"), (b"MM\0*", 0, ".tif"), (b"ftypavif", 4, ".avif"),
    (b"ftyphei", 4, ".heic"), (b"WAVE", 8, ".wav"), (b"fLaC", 0, ".flac"), (b"OggS", 0, ".ogg"), (b"ID3", 0, ".mp3"),
    (b"\xff\xfb", 0, ".mp3"), (b"\xff\xf3", 0, ".mp3"), (b"ftypM4A", 4, ".m4a"), (b"AIFF", 8, ".aiff"),
    (b"AVI ", 8, ".avi"), (b"\x1aE\xdf\xa3", 0, ".mkv"), (b"ftyp", 4, ".mp4"), (b"\x93NUMPY", 0, ".npy"),
    (b"\0\0\0\0", 6, ".bmp"),
)  # fmt: skip


def cell_name(file: str, column: str, row: int, suffix: str) -> str:
    """Return the name of what a cell of a table holds."""
    return f"{file}::{column}[{row}]{suffix}"


def piece_name(file: str, offset: int, size: int, name: str) -> str:
    """Return the name of some bytes of a file, such as a member of a tar."""
    return f"{file}::@{offset}+{size}/{name}"


def sniffed_suffix(content: bytes) -> str:
    """Return the suffix that files which begin so have; "" where they are of no known kind of media."""
    found = next((suffix for sign, at, suffix in _SNIFFED if content.startswith(sign, at)), "")
    return "" if found == ".bmp" and not content.startswith(b"BM") else found


def parse_member(name: str) -> re.Match[str] | None:
    """Return the parts of a name: ``file`` with ``column`` and ``row``, or with ``offset`` and ``size``."""
    return _PIECE.fullmatch(name) or _CELL.fullmatch(name)


class Members:
    """Reads media inside other files."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._files: dict[str, tuple[tuple[int, ...], ParquetCells | ArrowCells]] = {}

    def read(self, path: str, member: re.Match[str], max_bytes: int) -> bytes:
        """Return the bytes that a name stands for.

        Args:
            path: The file, which is there.
            member: As ``parse_member`` returned it.
            max_bytes: The most to read; of a larger cell one byte more.

        Raises:
            UnusableError: There is no such cell or piece, or it is too large.
        """
        parts = member.groupdict()
        if "offset" in parts:
            return _read_piece(path, int(parts["offset"]), int(parts["size"]), max_bytes)
        content = self._cell(path, parts["column"], int(parts["row"]), max_bytes)
        if content is None:
            raise UnusableError("missing", "no bytes in the cell")
        return content

    def _cell(self, path: str, column: str, row: int, max_bytes: int) -> bytes | None:
        import pyarrow

        try:
            with self._lock:
                content = self._opened(path).read(column, row, max_bytes)
                return None if content is None else bytes(content)
        except (pyarrow.ArrowException, OSError, KeyError, IndexError, ValueError, AttributeError):
            self._files.pop(path, None)
            raise UnusableError("corrupt", f"no cell {column}[{row}] that can be read") from None

    def _opened(self, path: str) -> ParquetCells | ArrowCells:
        """Open a file once, and again where it has been written since."""
        state = os.stat(path)
        now = (state.st_ino, state.st_size, state.st_mtime_ns)
        if path not in self._files or self._files[path][0] != now:
            self._files.pop(path, None)
            while len(self._files) >= _KEPT:
                self._files.pop(next(iter(self._files)))
            self._files[path] = (now, open_cells(Path(path)))
        return self._files[path][1]


def _read_piece(path: str, offset: int, size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise UnusableError("skipped", f"larger than {max_bytes} bytes: --max-bytes")
    with open(path, "rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise UnusableError("corrupt", f"{len(content)} of {size} bytes are there")
    return content
