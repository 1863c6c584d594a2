"""The end of FLAC files: whether the last frame is whole, and how many samples come before its end."""

from __future__ import annotations

from functools import cache

_INFO = b"fLaC\0\0\0\x22"
_SYNCS = (b"\xff\xf8", b"\xff\xf9")
_LONGEST_FRAME = 2**21  # bytes looked through for the last frame
_SUMMED = 2**22  # bytes of which checksums are taken, at most
_BLOCKS = {1: 192, 2: 576, 3: 1152, 4: 2304, 5: 4608, **{code: 256 << code - 8 for code in range(8, 16)}}


def files_of(content: bytes) -> list[bytes]:
    """Return the files that were joined."""
    starts = [0]
    while (start := content.find(_INFO, starts[-1] + len(_INFO))) >= 0:
        starts.append(start)
    return [content[start:end] for start, end in zip(starts, [*starts[1:], len(content)], strict=True)]


def promised_samples(content: bytes) -> int:
    """Return the samples that the header of a FLAC file says there are, 0 where it does not."""
    return int.from_bytes(content[21:26], "big") & (1 << 36) - 1


def samples_to_end(content: bytes) -> int | None:
    """Return the samples up to the end of the last frame; None where the last frame is not whole.

    Zeros after the end are passed over.
    """
    budget = _SUMMED
    for stop in sorted({len(content), len(content.rstrip(b"\0"))}):
        earliest, start = max(0, stop - _LONGEST_FRAME), stop
        while (start := max(content.rfind(sync, earliest, start) for sync in _SYNCS)) >= 0 and budget > 0:
            samples = _samples_after(content, start)
            if samples is None:
                continue
            if _checksum16(content[start : stop - 2]) == content[stop - 2 : stop]:
                return samples
            budget -= stop - start
    return None


def _samples_after(content: bytes, start: int) -> int | None:
    """Return the samples up to the end of the frame that begins at ``start``; None where none begins there."""
    codes = content[start + 2 : start + 4]
    lead = content[start + 4] if start + 4 < len(content) else 0xFF
    ones = 8 - (lead ^ 0xFF).bit_length()  # the number is written as UTF-8 writes a character
    if ones in (1, 8):
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
    if block is None or _checksum8(content[start:at]) != content[at : at + 1]:
        return None
    if content[start + 1] & 1:  # counts samples
        return number + block
    return number * int.from_bytes(content[10:12], "big") + block


@cache
def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    values = []
    for value in range(256):
        value <<= bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> bits - 1 else 0)) & (1 << bits) - 1
        values.append(value)
    return tuple(values)


def _checksum8(content: bytes) -> bytes:
    table, value = _table(0x07, 8), 0
    for byte in content:
        value = table[value ^ byte]
    return bytes((value,))


def _checksum16(content: bytes) -> bytes:
    table, value = _table(0x8005, 16), 0
    for byte in content:
        value = (value << 8 & 0xFFFF) ^ table[value >> 8 ^ byte]
    return value.to_bytes(2, "big")
