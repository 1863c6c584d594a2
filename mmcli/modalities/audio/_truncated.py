"""Detects truncated sound files, which decoders accept silently."""

from __future__ import annotations

from mmcli.modalities.audio._chunks import is_cut_chunk
from mmcli.modalities.audio._mpeg import is_mpeg_frame
from mmcli.modalities.containers import is_cut_container

_NAMES = (
    (8, b"WAVE", "WAV"), (8, b"AIFF", "AIFF"), (8, b"AIFC", "AIFF"), (8, b"AVI ", "AVI"), (0, b"riff", "W64"),
    (0, b"caff", "CAF"), (0, b".snd", "AU"), (0, b"fLaC", "FLAC"), (0, b"OggS", "Ogg"), (0, b"ID3", "MP3"),
    (4, b"ftyp", "MP4"), (0, b"\x1aE\xdf\xa3", "Matroska or WebM"), (0, b"#!AMR", "AMR"), (0, b"wvpk", "WavPack"),
    (0, b"TTA", "TTA"), (0, b"\x0bw", "AC-3"), (188, b"G", "MPEG-TS"), (0, b"0&\xb2u\x8ef\xcf\x11", "WMA"),
)  # fmt: skip
_TS_PACKET = 188


def format_name(content: bytes) -> str:
    """Return the usual name of a sound file's format, by its first bytes: "MP3"; "audio" if unknown."""
    if is_mpeg_frame(content[:2]):
        return "MP3"
    if content[:1] == b"\xff" and content[1:2] in (b"\xf0", b"\xf1", b"\xf8", b"\xf9"):
        return "AAC"
    return next((name for at, sign, name in _NAMES if content.startswith(sign, at)), "audio")


def is_cut(content: bytes) -> bool:
    """Return whether a file ends inside a chunk, box, page or packet: WAV, AIFF, CAF, W64, AU, video containers."""
    if content.startswith(b"G") and content.startswith(b"G", _TS_PACKET):
        last = len(content) // _TS_PACKET * _TS_PACKET
        return content.startswith(b"G", last)
    return is_cut_container(content) or is_cut_chunk(content)
