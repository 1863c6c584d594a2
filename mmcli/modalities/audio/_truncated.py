"""Finds sound files that end before the samples their headers promise, which libsndfile passes over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_TO_A_PIPE = 0x7FFF0000  # what writers to a pipe leave as a size is at least this
_SIZE_IN_DS64 = 0xFFFFFFFF


@dataclass(frozen=True)
class _Chunks:
    """How a format lays out its chunks: where the first is, bytes of a name and of a size, what a size counts."""

    start: int
    name: int
    size: int
    order: Literal["little", "big"]
    align: int = 1
    counts_header: bool = False


_LAYOUTS = {
    b"RIFF": _Chunks(12, 4, 4, "little", align=2),
    b"RF64": _Chunks(12, 4, 4, "little", align=2),
    b"RIFX": _Chunks(12, 4, 4, "big", align=2),
    b"FORM": _Chunks(12, 4, 4, "big", align=2),
    b"caff": _Chunks(8, 4, 8, "big"),
    b"riff": _Chunks(40, 16, 8, "little", align=8, counts_header=True),
}
_FORMS = (b"WAVE", b"AIFF", b"AIFC")


def is_cut(content: bytes) -> bool:
    """Tell whether a WAV, AIFF, CAF, W64, AU or Ogg file ends before the end of its samples."""
    signature = content[:4]
    if signature == b"OggS":
        page = content.rfind(b"OggS")
        segments = content[page + 27 : page + 27 + content[page + 26]] if page + 26 < len(content) else b""
        return not segments or page + 27 + len(segments) + sum(segments) > len(content)
    if signature == b".snd":
        start, size = (int.from_bytes(content[place : place + 4], "big") for place in (4, 8))
        return size < _TO_A_PIPE and start + size > len(content)
    layout = _LAYOUTS.get(signature)
    if layout is None or (layout.name == 4 and signature != b"caff" and content[8:12] not in _FORMS):
        return False
    return _samples_are_cut(content, layout)


def _samples_are_cut(content: bytes, layout: _Chunks) -> bool:
    position, header, in_ds64 = layout.start, layout.name + layout.size, 0
    while position + header <= len(content):
        name = content[position : position + 4]
        size = int.from_bytes(content[position + layout.name : position + header], layout.order)
        if name == b"ds64":
            in_ds64 = int.from_bytes(content[position + header + 8 : position + header + 16], "little")
        if name in (b"data", b"SSND"):
            if content[:4] == b"RF64" and size == _SIZE_IN_DS64:
                size = in_ds64
            whole = size if layout.counts_header else size + header
            return size < _TO_A_PIPE and position + whole > len(content)
        step = size if layout.counts_header else size + header
        position += max(-(-step // layout.align) * layout.align, header)
    return True
