"""Counts the samples of a FLAC file up to its last frame, whatever the header says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

_INFO = b"fLaC\0\0\0\x22"
_SYNCS = (b"\xff\xf8", b"\xff\xf9")
_MAX_SEARCHES = 2**18  # false frame starts to try before giving up
_NEAR = 2**17  # samples: two of the longest frames
_BLOCKS = {1: 192, 2: 576, 3: 1152, 4: 2304, 5: 4608, **{code: 256 << code - 8 for code in range(8, 16)}}


def files_of(content: bytes) -> Iterator[bytes]:
    """Yield the files that were joined."""
    start = 0
    while start >= 0:
        after = content.find(_INFO, start + len(_INFO))
        yield content[start : after if after >= 0 else len(content)]
        start = after


def promised_samples(content: bytes) -> int:
    """Return the number of samples in a FLAC file's header, 0 if unknown."""
    return int.from_bytes(content[21:26], "big") & (1 << 36) - 1


def is_cut_flac(content: bytes, decoded: int) -> bool:
    """Return whether fewer samples were decoded than there are up to the last frame, by its frame number.

    Bytes after the last frame are ignored.
    """
    ends = _samples_to_end(content, decoded)
    return ends is None or ends > decoded


def goes_on(content: bytes, samples: int) -> bool:
    """Return whether a file has frames after this many samples."""
    return (_samples_to_end(content, samples) or 0) > samples


def _samples_to_end(content: bytes, about: int) -> int | None:
    """Return the samples up to the end of the last frame near ``about`` samples; None if there is no such frame."""
    first = content.find(b"\xff", len(_INFO))
    while first >= 0 and not (begin := _frame_at(content, first)):
        first = content.find(b"\xff", first + 1)
    if first < 0 or not begin:
        return None
    sync, start = content[first : first + 2], len(content)
    for _ in range(_MAX_SEARCHES):
        if (start := content.rfind(sync, first, start)) < 0:
            return None
        frame = _frame_at(content, start)
        if frame and abs(frame[0] + frame[1] - begin[0] - about) <= _NEAR:
            return frame[0] + frame[1] - begin[0]
    return None


def _frame_at(content: bytes, start: int) -> tuple[int, int] | None:
    """Return the first sample number and the sample count of the frame at ``start``; None if there is no frame."""
    codes = content[start + 2 : start + 4]
    lead = content[start + 4] if start + 4 < len(content) else 0xFF
    ones = 8 - (lead ^ 0xFF).bit_length()  # the number is coded like a character in UTF-8
    if ones in (1, 8) or not content.startswith(_SYNCS, start):
        return None
    at = start + 4 + max(1, ones)
    number = lead & 0x7F >> ones
    for byte in content[start + 5 : at]:
        number = number << 6 | byte & 0x3F
    size_code, rate_code = codes[0] >> 4, codes[0] & 15
    block = _BLOCKS.get(size_code)
    if size_code in (6, 7):
        block = int.from_bytes(content[at : at + size_code - 5], "big") + 1
        at += size_code - 5
    at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if block is None or _checksum(content[start:at]) != content[at : at + 1]:
        return None
    counts_samples = content[start + 1] & 1
    return (number if counts_samples else number * int.from_bytes(content[10:12], "big")), block


@cache
def _table() -> tuple[int, ...]:
    values = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
        values.append(value)
    return tuple(values)


def _checksum(content: bytes) -> bytes:
    """Return the CRC-8 of a frame's header."""
    table, value = _table(), 0
    for byte in content:
        value = table[value ^ byte]
    return bytes((value,))
