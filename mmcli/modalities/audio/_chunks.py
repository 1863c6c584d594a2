"""Locates the samples of chunked files (WAV, RF64, AIFF, W64, CAF) and AU, whatever the size fields say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_TO_A_PIPE = 0x7FFF0000  # writers to a pipe leave a size of at least this, or 0
_LEFT_OPEN = 2**62  # the same for 8-byte sizes
_W64_SIZE = 16  # offset of a W64 file's own length
_SIZE_IN_DS64 = 0xFFFFFFFF
_FORMS = (b"WAVE", b"AIFF", b"AIFC")
_SAMPLES = (b"data", b"SSND")
_MPEG = (0x50, 0x55)
_OPEN = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class _Layout:
    """A format's chunk layout: where the first is, bytes of a name and of a size, and what a size counts."""

    start: int
    name: int
    size: int
    order: Literal["little", "big"]
    align: int = 1
    counts_header: bool = False


@dataclass(frozen=True)
class _Chunk:
    """A chunk: its name, where its header and content begin, and the content's size according to the header."""

    name: bytes
    header: int
    start: int
    size: int


_LAYOUTS = {
    b"RIFF": _Layout(12, 4, 4, "little", align=2),
    b"RF64": _Layout(12, 4, 4, "little", align=2),
    b"RIFX": _Layout(12, 4, 4, "big", align=2),
    b"FORM": _Layout(12, 4, 4, "big", align=2),
    b"caff": _Layout(8, 4, 8, "big"),
    b"riff": _Layout(40, 16, 8, "little", align=8, counts_header=True),
}


def is_cut_chunk(content: bytes) -> bool:
    """Return whether the samples of a WAV, RF64, AIFF, W64, CAF or AU file end before their chunk does."""
    if content.startswith(b".snd"):
        start, size = _place_in_au(content)
        return size < _TO_A_PIPE and start + size > len(content)
    layout = _layout_of(content)
    if layout is None:
        return False
    chunk, in_ds64 = _samples_chunk(content, layout)
    if chunk is None:
        return True
    size = in_ds64 if _has_ds64(content, chunk) else chunk.size
    return (size < _TO_A_PIPE or _has_ds64(content, chunk)) and chunk.start + size > len(content)


def with_open_sizes(content: bytes) -> bytes:
    """Fill in the size of a file's samples if it is 0 or left open in a way that decoders reject.

    A size of 0 followed by other chunks is correct: there are no samples.
    """
    if content.startswith(b".snd"):
        start, size = _place_in_au(content)
        return content if size or start >= len(content) else _patch(content, 8, _OPEN)
    layout = _layout_of(content)
    chunk, in_ds64 = _samples_chunk(content, layout) if layout else (None, 0)
    if layout is None or chunk is None:
        return content
    left = len(content) - chunk.start
    in_list = _has_ds64(content, chunk)
    size = in_ds64 if in_list else chunk.size
    if left <= 0 or 0 < size < _LEFT_OPEN or (not size and _are_chunks(content, layout, chunk.start)):
        return content
    if in_list:
        return _patch(content, content.find(b"ds64") + 16, left.to_bytes(8, "little"))
    if layout.counts_header:
        content = _patch(content, _W64_SIZE, len(content).to_bytes(8, "little"))
        left += chunk.start - chunk.header
    if layout.size == 8:
        return _patch(content, chunk.start - 8, left.to_bytes(8, layout.order))
    return _patch(content, chunk.start - 4, _OPEN)


def mpeg_in_wav(content: bytes) -> bytes | None:
    """Return the MPEG audio inside a WAV file; None if there is none."""
    layout = _layout_of(content)
    if layout is None or content[8:12] != b"WAVE":
        return None
    kind = 0
    for chunk in _chunks(content, layout):
        if chunk.name == b"fmt ":
            kind = int.from_bytes(content[chunk.start : chunk.start + 2], layout.order)
        if chunk.name in _SAMPLES:
            is_open = not 0 < chunk.size < _TO_A_PIPE
            end = len(content) if is_open else chunk.start + chunk.size
            return content[chunk.start : end] if kind in _MPEG else None
    return None


def _layout_of(content: bytes) -> _Layout | None:
    layout = _LAYOUTS.get(content[:4])
    if layout is not None and layout.name == 4 and content[:4] != b"caff" and content[8:12] not in _FORMS:
        return None
    return layout


def _chunks(content: bytes, layout: _Layout, start: int | None = None) -> Iterator[_Chunk]:
    position = layout.start if start is None else start
    header = layout.name + layout.size
    while position + header <= len(content):
        size = int.from_bytes(content[position + layout.name : position + header], layout.order)
        inner = max(0, size - header) if layout.counts_header else size
        yield _Chunk(content[position : position + 4], position, position + header, inner)
        position += -(-(header + inner) // layout.align) * layout.align


def _samples_chunk(content: bytes, layout: _Layout) -> tuple[_Chunk | None, int]:
    """Return the chunk of samples (None if there is none) and the size that an earlier chunk may give."""
    in_ds64 = 0
    for chunk in _chunks(content, layout):
        if chunk.name == b"ds64":
            in_ds64 = int.from_bytes(content[chunk.start + 8 : chunk.start + 16], "little")
        if chunk.name in _SAMPLES:
            return chunk, in_ds64
    return None, in_ds64


def _has_ds64(content: bytes, chunk: _Chunk) -> bool:
    return content.startswith(b"RF64") and chunk.size == _SIZE_IN_DS64


def _are_chunks(content: bytes, layout: _Layout, start: int) -> bool:
    """Return whether the bytes from ``start`` to the end are chunks rather than samples."""
    last = None
    for last in _chunks(content, layout, start):
        if not last.name.isascii() or not last.name.strip().isalnum():
            return False
    return last is not None and last.start + last.size <= len(content) <= last.start + last.size + layout.align


def _place_in_au(content: bytes) -> tuple[int, int]:
    return int.from_bytes(content[4:8], "big"), int.from_bytes(content[8:12], "big")


def _patch(content: bytes, position: int, value: bytes) -> bytes:
    return content[:position] + value + content[position + len(value) :]
