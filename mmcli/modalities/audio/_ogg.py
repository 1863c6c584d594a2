"""Ogg files as they are chained, one whole file after another, and damage to their pages."""

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
    """Return the files that were chained; a page that begins a stream after pages of another kind begins a file."""
    start, began = 0, True
    for page in _pages(content):
        begins = bool(content[page.start + 5] & _BEGINS)
        if begins and not began:
            yield content[start : page.start]
            start = page.start
        began = begins
    yield content[start:]


def with_end_flag(content: bytes) -> bytes:
    """Return a file whose last page has the mark of the last page, without which decoders keep what was padded."""
    last = max(_pages(content), default=None)
    if last is None or content[last.start + 5] & _ENDS:
        return content
    page = bytearray(content[last.start : last.end])
    page[5] |= _ENDS
    page[22:26] = bytes(4)
    page[22:26] = _checksum(bytes(page)).to_bytes(4, "little")
    return content[: last.start] + page + content[last.end :]


def is_damaged(content: bytes) -> bool:
    """Tell whether pages are missing between others, by their numbers, or have the wrong checksum."""
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
    """Return the CRC-32 of a page: zlib's polynomial, but from the highest bit of each byte, and from 0."""
    mirrored = zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
