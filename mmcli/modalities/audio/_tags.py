"""Strips the tags that music programs write before and after the sound, in any format."""

from __future__ import annotations

_ID3V1, _ID3V1_LONG = 128, 227
_APE_HEADER, _APE_HAS_HEADER = 32, 1 << 31
_LYRICS_END = b"LYRICS200"
_LYRICS_SIZE = 6  # digits
_MOST = 100  # tags, of any kinds


def size_of_id3(content: bytes, position: int) -> int:
    """Return the bytes of an ID3v2 tag: 10-byte header, the size it gives in 7 bits per byte, 10-byte footer."""
    head = content[position : position + 10].ljust(10, b"\0")
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    return 10 + size + (10 if head[5] & 0x10 else 0)


def without_tags(content: bytes) -> bytes:
    """Strip ID3v2 tags at a file's start, and ID3v1, APE, lyrics and ID3v2 tags at its end."""
    start, end = 0, len(content)
    for _ in range(_MOST):
        if not content.startswith(b"ID3", start):
            break
        start += size_of_id3(content, start)
    for _ in range(_MOST):
        size = _tag_before(content, end)
        if not size or end - size < start:
            break
        end -= size
    return content[start:end] if start or end < len(content) else content


def _tag_before(content: bytes, end: int) -> int:
    """Return the bytes of the tag that ends at ``end``, 0 if there is none."""
    if end >= _ID3V1 and content.startswith(b"TAG", end - _ID3V1):
        long = end - _ID3V1 - _ID3V1_LONG
        return _ID3V1 + (_ID3V1_LONG if long >= 0 and content.startswith(b"TAG+", long) else 0)
    if end >= _APE_HEADER and content.startswith(b"APETAGEX", end - _APE_HEADER):
        size = int.from_bytes(content[end - 20 : end - 16], "little")
        flags = int.from_bytes(content[end - 12 : end - 8], "little")
        return size + (_APE_HEADER if flags & _APE_HAS_HEADER else 0)
    if end >= len(_LYRICS_END) and content.startswith(_LYRICS_END, end - len(_LYRICS_END)):
        digits = content[end - len(_LYRICS_END) - _LYRICS_SIZE : end - len(_LYRICS_END)]
        return int(digits) + _LYRICS_SIZE + len(_LYRICS_END) if digits.isdigit() and len(digits) == _LYRICS_SIZE else 0
    if end >= 10 and content.startswith(b"3DI", end - 10):
        return size_of_id3(content, end - 10)
    return 0
