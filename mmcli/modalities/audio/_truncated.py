"""Finds sound files that end before what their headers promise, which decoders pass over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmcli.modalities.containers import is_cut_container

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
_NAMES = (
    (8, b"WAVE", "WAV"), (8, b"AIFF", "AIFF"), (8, b"AIFC", "AIFF"), (8, b"AVI ", "AVI"), (0, b"riff", "W64"),
    (0, b"caff", "CAF"), (0, b".snd", "AU"), (0, b"fLaC", "FLAC"), (0, b"OggS", "Ogg"), (0, b"ID3", "MP3"),
    (4, b"ftyp", "MP4"), (0, b"\x1aE\xdf\xa3", "Matroska or WebM"), (0, b"#!AMR", "AMR"), (0, b"wvpk", "WavPack"),
    (0, b"TTA", "TTA"),
)  # fmt: skip
_XING_HAS_FRAMES, _XING_HAS_BYTES = 1, 2


def format_name(content: bytes) -> str:
    """Return what people call the format of a sound file, by its first bytes: "MP3", or "audio" where unknown."""
    if is_mpeg_frame(content[:2]):
        return "MP3"
    if content[:1] == b"\xff" and content[1:2] in (b"\xf0", b"\xf1", b"\xf8", b"\xf9"):
        return "AAC"
    return next((name for at, sign, name in _NAMES if content.startswith(sign, at)), "audio")


def is_mpeg_frame(start: bytes) -> bool:
    """Tell whether two bytes may begin a frame of MPEG audio, layer I, II or III."""
    return len(start) == 2 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0 and start[1] & 0x06 != 0


def is_cut(content: bytes) -> bool:
    """Tell whether a file ends before its header says: WAV, AIFF, CAF, W64, AU, MP3, and what holds pictures too."""
    signature = content[:4]
    if is_cut_container(content):
        return True
    if signature == b".snd":
        start, size = (int.from_bytes(content[place : place + 4], "big") for place in (4, 8))
        return size < _TO_A_PIPE and start + size > len(content)
    if signature[:3] == b"ID3" or is_mpeg_frame(signature[:2]):
        return _frames_are_cut(content)
    layout = _LAYOUTS.get(signature)
    if layout is None or (layout.name == 4 and signature != b"caff" and content[8:12] not in _FORMS):
        return False
    return _samples_are_cut(content, layout)


def _frames_are_cut(content: bytes) -> bool:
    """Tell whether an MP3 has fewer bytes than the Xing or Info header in its first frame counts."""
    start = 0
    if content[:3] == b"ID3":  # seven bits a byte
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=False))
    first = content[start : start + 200]
    place = max(first.find(b"Xing"), first.find(b"Info"))
    if place < 0 or len(first) < place + 16:
        return start >= len(content)
    flags = int.from_bytes(first[place + 4 : place + 8], "big")
    at = start + place + (12 if flags & _XING_HAS_FRAMES else 8)
    counted = int.from_bytes(content[at : at + 4], "big") if flags & _XING_HAS_BYTES else 0
    return start + counted > len(content)


def _samples_are_cut(content: bytes, layout: _Chunks) -> bool:
    position, header, in_ds64 = layout.start, layout.name + layout.size, 0
    while position + header <= len(content):
        name = content[position : position + 4]
        size = int.from_bytes(content[position + layout.name : position + header], layout.order)
        if name == b"ds64":
            in_ds64 = int.from_bytes(content[position + header + 8 : position + header + 16], "little")
        if name in (b"data", b"SSND"):
            known = size < _TO_A_PIPE
            if content[:4] == b"RF64" and size == _SIZE_IN_DS64:
                size, known = in_ds64, True
            whole = size if layout.counts_header else size + header
            return known and position + whole > len(content)
        step = size if layout.counts_header else size + header
        position += max(-(-step // layout.align) * layout.align, header)
    return True
