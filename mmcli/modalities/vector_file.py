"""Word vectors in a text file, one word and its numbers per line, as GloVe, word2vec and fastText write them."""

from __future__ import annotations

import gzip
import mmap
import os
import tempfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import MmcliError
from mmcli.store.keys import file_digest

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 2**20
_MOST_VECTORS_KEPT = 100_000


class VectorFile:
    """The vectors of a file, each read when its word is first looked up.

    The first look-up scans the file once and keeps only the position of each word; a gzip file is unpacked to a
    temporary file. Only the lines of words that are looked up are parsed.

    Args:
        path: The file.

    Raises:
        MmcliError: It cannot be read, or its first line is not a word vector.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[bytes, int] = {}
        self._bytes: mmap.mmap | None = None
        self._kept: dict[bytes, NDArray[np.float32]] = {}
        with self._open() as stream:
            first = self._read(stream, 1).split()
            self._announced = int(first[0]) if len(first) == 2 and first[0].isdigit() and first[1].isdigit() else None
            self.dim = len(first) - 1 if self._announced is None else int(first[1])
            if self._announced is not None:
                first = self._read(stream, 2).split()
        if self.dim < 1 or len(first) <= self.dim:
            raise self._malformed(1 if self._announced is None else 2, first)
        self._numbers(first, 1 if self._announced is None else 2)

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        return file_digest(self.path)

    def vector(self, word: str) -> NDArray[np.float32] | None:
        """Return the vector of a word, (D,); None if the file has none.

        Raises:
            MmcliError: A line of the file is malformed, or the file has fewer lines than its header announces.
        """
        if self._bytes is None:
            self._index()
        key = word.encode()
        place = self._places.get(key)
        if place is None:
            return None
        found = self._kept.get(key)
        if found is None:
            assert self._bytes is not None
            end = self._bytes.find(b"\n", place)
            line = self._bytes[place : end if end >= 0 else len(self._bytes)]
            found = self._numbers(line.split(), place=place)
            if len(self._kept) >= _MOST_VECTORS_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found

    def _index(self) -> None:
        """Find the position of each word; the first of duplicates counts."""
        places: dict[bytes, int] = {}
        unpacked = tempfile.TemporaryFile() if self._is_gzip() else None  # noqa: SIM115 the mapping keeps it
        place = count = 0
        with self._open() as stream:
            number = 0
            while line := self._read(stream, number := number + 1):
                bare = line.rstrip()
                if bare and not (number == 1 and self._announced is not None):
                    places.setdefault(self._word(bare, number), place)
                    count += 1
                place += len(line)
                if unpacked is not None:
                    unpacked.write(line)
        if self._announced is not None and count < self._announced:
            raise MmcliError(
                f"{self.path}: {count} vectors, but its first line announces {self._announced}; is it truncated?"
            )
        if unpacked is not None:
            unpacked.flush()
            self._bytes = mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ)
            unpacked.close()
        else:
            with self.path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._places = places

    def _word(self, line: bytes, number: int) -> bytes:
        if line.count(b" ") == self.dim:
            return line.partition(b" ")[0]
        parts = line.rsplit(None, self.dim)  # some GloVe words contain spaces
        if len(parts) != self.dim + 1:
            raise self._malformed(number, parts)
        return parts[0]

    def _numbers(self, fields: list[bytes], number: int | None = None, place: int = 0) -> NDArray[np.float32]:
        try:
            values = np.array([float(field) for field in fields[-self.dim :]], np.float32)
        except ValueError:
            values = np.full(self.dim, np.nan, np.float32)
        if not np.isfinite(values).all():
            raise self._malformed(number or self._number_of(place), fields)
        return values

    def _number_of(self, place: int) -> int:
        assert self._bytes is not None
        steps = range(0, place, _LONGEST_LINE)
        return 1 + sum(self._bytes[start : min(start + _LONGEST_LINE, place)].count(b"\n") for start in steps)

    def _malformed(self, number: int, fields: list[bytes]) -> MmcliError:
        shown = b" ".join(fields)[:40].decode("utf-8", "replace")
        count = f"a word and {self.dim} numbers" if self.dim > 0 else "a word and its numbers"
        return MmcliError(f"{self.path}, line {number}: expected {count}, found {shown!r} ({len(fields)} fields)")

    def _read(self, stream: IO[bytes], number: int) -> bytes:
        try:
            line = stream.readline(_LONGEST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            raise MmcliError(f"{self.path}, line {number}: cannot be read: {error}") from None
        if len(line) == _LONGEST_LINE:
            raise MmcliError(
                f"{self.path}, line {number}: longer than {_LONGEST_LINE} bytes; expected a text file of vectors"
            )
        return line

    def _is_gzip(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(2) == _GZIP

    def _open(self) -> IO[bytes]:
        return cast(IO[bytes], gzip.open(self.path)) if self._is_gzip() else self.path.open("rb")


def open_vectors(path: str) -> VectorFile:
    """Return the vectors of a file; a process opens it once as long as it does not change.

    Raises:
        MmcliError: There is no such file, or it cannot be read.
    """
    try:
        found = os.stat(path)
        return _opened(Path(path), found.st_size, found.st_mtime_ns)
    except FileNotFoundError:
        raise MmcliError(f"word_vectors: {path}: no such file") from None
    except OSError as error:
        raise MmcliError(f"word_vectors: {path}: cannot be read: {error.strerror}") from None


@lru_cache(4)
def _opened(path: Path, size: int, changed: int) -> VectorFile:
    return VectorFile(path)
