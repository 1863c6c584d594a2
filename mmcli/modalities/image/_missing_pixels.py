"""Detects images whose pixel data end early in a file that looks complete; decoders silently fill the gap."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

_JPEG_SEQUENTIAL = (0xC0, 0xC1)
_JPEG_START_OF_SCAN = 0xDA
_JPEG_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_END = b"\xff\xd9"
_JPEG_LOOK_AHEAD = 8
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_WHOLE = ((0, 0, 1, 1),)
_PNG_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def open_ended_jpeg(content: bytes) -> bytes:
    """Return a sequential JPEG without its end marker, and other content unchanged.

    At that marker libjpeg fills missing pixels with grey; without it, it reports that it needs more data. The zeros
    that replace the marker are the read-ahead that libjpeg needs for the last pixels.
    """
    position, sequential = _first_scan(content)
    if sequential:
        end = _JPEG_MARKER_AFTER_SCAN.search(content, position)
        if end is None or end.group() == _JPEG_END:
            return content[: end.start() if end else len(content)] + bytes(_JPEG_LOOK_AHEAD)
    return content


def jpeg_scans(content: bytes) -> int:
    """Return the number of scans in a JPEG; each takes few bytes but much time."""
    position, _ = _first_scan(content)
    end = content.find(_JPEG_END, position)
    return 1 + content.count(bytes((0xFF, _JPEG_START_OF_SCAN)), position, len(content) if end < 0 else end)


def _first_scan(content: bytes) -> tuple[int, bool]:
    """Return where the first scan of a JPEG begins (the end if there is none), and whether it is sequential."""
    position, sequential = 2, False
    while content[position : position + 1] == b"\xff" and position + 4 <= len(content):
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        sequential |= marker in _JPEG_SEQUENTIAL
        position += 2 + length
        if marker == _JPEG_START_OF_SCAN:
            return position, sequential
    return len(content), False


def png_is_short(content: bytes) -> bool:
    """Return whether a PNG's pixel data end before its last row."""
    width, height = struct.unpack(">II", content[16:24])
    depth, colour, interlaced = content[24], content[25], content[28]
    bits = depth * _PNG_CHANNELS[colour]
    needed: int = sum(
        -(-(height - y) // down) * (1 + (-(-(width - x) // right) * bits + 7) // 8)
        for x, y, right, down in (_PNG_PASSES if interlaced else _PNG_WHOLE)
        if width > x and height > y
    )
    inflate = zlib.decompressobj()
    for body, _ in _pixel_data(content):
        rest: bytes | memoryview = body
        while rest and needed > 0:
            part = inflate.decompress(rest, min(needed, 2**20))
            needed -= len(part)
            rest = inflate.unconsumed_tail if part else b""
    return needed > 0


def png_is_changed(content: bytes) -> bool:
    """Return whether a PNG's pixel data do not match their checksums, which Pillow does not check."""
    return any(zlib.crc32(body, zlib.crc32(b"IDAT")) != checksum for body, checksum in _pixel_data(content))


def _pixel_data(content: bytes) -> Iterator[tuple[memoryview, int]]:
    """Yield the compressed pixel data of a PNG, chunk by chunk, each with its checksum."""
    position, view = len(_PNG_SIGNATURE), memoryview(content)
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        if kind == b"IDAT":
            end = position + 8 + length
            yield view[position + 8 : end], int.from_bytes(view[end : end + 4], "big")
        position += 12 + length
