"""Splits chained Ogg files and detects damaged pages."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

_SIGN = b"OggS"
_HEADER = 27
_BEGINS, _ENDS = 2, 4
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    start: int
    end: int


def links_of(content: bytes) -> Iterator[bytes]:
    """Yield the chained files: a page that starts a stream after pages of another kind starts a file."""
    start, began = 0, True
    for page in _pages(content):
        begins = bool(content[page.start + 5] & _BEGINS)
        if begins and not began:
            yield content[start : page.start]
            start = page.start
        began = begins
    yield content[start:]


def with_end_flag(content: bytes) -> bytes:
    """Set the end-of-stream flag on a file's last page, without which decoders keep the padding."""
    last = max(_pages(content), default=None)
    if last is None or content[last.start + 5] & _ENDS:
        return content
    page = bytearray(content[last.start : last.end])
    page[5] |= _ENDS
    page[22:26] = bytes(4)
    page[22:26] = _checksum(bytes(page)).to_bytes(4, "little")
    return content[: last.start] + page + content[last.end :]


def is_damaged(content: bytes) -> bool:
    """Return whether pages are missing, by their numbers, or have a wrong checksum."""
    last: dict[bytes, int] = {}
    for start, end in _pages(content):
        serial, number = content[start + 14 : start + 18], int.from_bytes(content[start + 18 : start + 22], "little")
        if last.get(serial, number - 1) + 1 != number:
            return True
        last[serial] = number
        page = content[start : start + 22] + bytes(4) + content[start + 26 : end]
        if _checksum(page) != int.from_bytes(content[start + 22 : start + 26], "little"):
            return True
    return False


def _pages(content: bytes) -> Iterator[_Page]:
    position = 0
    while (position := content.find(_SIGN, position)) >= 0 and position + _HEADER <= len(content):
        sizes = content[position + _HEADER : position + _HEADER + content[position + 26]]
        end = position + _HEADER + len(sizes) + sum(sizes)
        yield _Page(position, end)
        position = end


def _checksum(page: bytes) -> int:
    """Return the CRC-32 of a page: zlib's polynomial, but most significant bit first and starting from 0."""
    mirrored = zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
