"""Counts an AVI file's empty chunks, each of which repeats the last frame; FFmpeg does not report them."""

from __future__ import annotations

_LISTS = (b"RIFF", b"LIST")
_INNER = (b"AVI ", b"AVIX", b"movi", b"rec ")
_MOST_CHUNKS = 8_000_000  # of all kinds; a file with more is not scanned


def count_empty_chunks(content: bytes, stream: int) -> int:
    """Return the number of empty chunks in a video stream.

    Args:
        content: The bytes of the file.
        stream: The stream's number.
    """
    names = (b"%02ddc" % stream, b"%02ddb" % stream)
    found = position = 0
    for _ in range(_MOST_CHUNKS):
        name = content[position : position + 4]
        if name in _LISTS and content[position + 8 : position + 12] in _INNER:
            position += 12
            continue
        if len(name) < 4:
            break
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        found += size == 0 and name in names
        position += 8 + size + size % 2
    return found
