"""Compressed text: gzip, bzip2, xz and Zstandard, recognised by their first bytes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from mmcli.errors import MmcliError

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zstd")
_SIGNS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_FREE = 2**30  # bytes that any file may unpack to
_RATIO = 1000


@contextmanager
def unpacked(file: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """Yield a stream of the bytes of a file, decompressed if needed.

    Raises:
        MmcliError: It is damaged, truncated, or unpacks to an implausible size.
    """
    start = file.read(8)
    file.seek(0)
    form = next((form for sign, form in _SIGNS.items() if start.startswith(sign)), None)
    if form is None:
        yield file
        return
    try:
        yield cast(BinaryIO, io.BufferedReader(_Bounded(_open(form, file), path)))
    except (EOFError, OSError, zlib.error, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _damaged(path, form, error) from None
    except Exception as error:
        if type(error).__name__ not in ("LZMAError", "ArrowInvalid"):
            raise
        raise _damaged(path, form, error) from None


def _open(form: str, file: BinaryIO) -> Any:
    if form == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=file)
    if form == "bz2":
        import bz2

        return bz2.BZ2File(file)
    if form == "xz":
        import lzma

        return lzma.LZMAFile(file)
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.PythonFile(file), "zstd")


def _damaged(path: Path, form: str, error: Exception) -> MmcliError:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return MmcliError(f"{path}: damaged or truncated {form} ({line})")


class _Bounded(io.RawIOBase):
    """Refuses decompression bombs."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._most = max(_FREE, _RATIO * path.stat().st_size)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._stream.read(len(buffer))
        self._read += len(part)
        if self._read > self._most:
            raise MmcliError(
                f"{self._path}: unpacks to more than {_RATIO} times its size; if that is right, unpack it first"
            )
        buffer[: len(part)] = part
        return len(part)
