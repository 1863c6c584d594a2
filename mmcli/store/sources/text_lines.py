"""Decodes bytes into lines of bounded length; errors give the number of the line."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from mmcli.errors import MmcliError, UsageError

LONGEST = 64_000_000
"""Maximum length in characters of a line or a cell."""
_ZERO = "a zero byte, which text never has: not a table, damaged, or UTF-16 (--encoding utf-16)"
_MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def check_encoding(encoding: str) -> None:
    """Refuse an encoding that Python does not have.

    Raises:
        UsageError: It is unknown, or not an encoding of text.
    """
    try:
        "".encode(encoding)
    except LookupError:
        raise UsageError(
            f"--encoding {encoding}: unknown; expected one such as utf-8, latin-1, cp1252, utf-16 or shift_jis"
        ) from None


def is_plain_utf8(start: bytes, encoding: str) -> bool:
    """Return whether text with this start and declared encoding is UTF-8 without a byte order mark."""
    return codecs.lookup(encoding).name == "utf-8" and not start.startswith(tuple(_MARKS))


def text_lines(stream: BinaryIO, name: str, encoding: str, above: int = 0) -> Iterator[str]:
    """Return the lines of a stream with their line ends, which may be LF, CRLF or CR.

    Args:
        stream: Read as its bytes arrive.
        name: The file's name in messages.
        encoding: Encoding of the text; a byte order mark at its start takes precedence.
        above: Number of lines above the start of the stream.

    Raises:
        MmcliError: A line is not in this encoding, contains a zero byte, or is too long.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    start = b"" if above else buffered.peek(4)
    encoding = next((codec for mark, codec in _MARKS.items() if start.startswith(mark)), encoding)
    if b"\0" in start and not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        raise MmcliError(f"{name}: {_ZERO}")
    lines = io.TextIOWrapper(buffered, encoding, errors="surrogateescape", newline="")
    number = above
    try:
        while line := lines.readline(LONGEST):
            number += 1
            _check_line(line, f"{name}, line {number}", encoding)
            yield line
    except UnicodeDecodeError as error:
        raise MmcliError(f"{name}, after line {number}: not {encoding} ({error.reason})") from None


def _check_line(line: str, where: str, encoding: str) -> None:
    if "\0" in line:
        raise MmcliError(f"{where}: {_ZERO}")
    if len(line) == LONGEST:
        raise MmcliError(f"{where}: longer than {LONGEST // 10**6} million characters; expected one row per line")
    if not line.isascii():
        try:
            line.encode()
        except UnicodeEncodeError as error:
            byte = ord(line[error.start]) & 0xFF
            told = encoding.upper().removesuffix("-SIG")
            raise MmcliError(
                f"{where}: byte 0x{byte:02X} is not {told}; give the encoding, such as --encoding latin-1 or cp1252"
            ) from None


def open_bytes(path: Path) -> BinaryIO:
    """Open a file.

    Raises:
        MmcliError: It cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None


def joined(lines: Iterable[bytes]) -> BinaryIO:
    """Return a stream that reads from chunks of bytes."""
    return io.BufferedReader(_Joined(lines))


class _Joined(io.RawIOBase):
    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or memoryview(next(self._lines, b""))
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
