"""Audio and video containers: opened by FFmpeg, in memory only, and checked for truncation."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

_LARGEST_BLOCK = 2**28  # bytes FFmpeg may allocate at once; a wrong index could make it allocate all memory
_TO_A_PIPE = 0x7FFF0000  # writers to a pipe leave a size of at least this
_SEGMENT = b"\x18\x53\x80\x67"
_ELEMENTS = (
    b"\xa3", b"\xa0", b"\xe7", b"\xab", b"\xa7", b"\xec", b"\xbf", b"\x1f\x43\xb6\x75", b"\x11\x4d\x9b\x74",
    b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"\x19\x41\xa4\x69",
    b"\x10\x43\xa7\x70",
)  # fmt: skip  # of a Matroska segment and of a cluster
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")
_MEDIA_BOXES = (b"moov", b"mdat", b"moof")  # without one of these, sound or pictures are incomplete
_MOST_PARTS = 20_000_000  # blocks of a GIF, most of them 255 bytes long; a file with more is not checked
_PNG = b"\x89PNG\r\n\x1a\n"
_LAST_PAGE = 4
_GOES_ON = 255  # segment size of a packet that continues on the next page


def open_container(content: bytes, demuxers: str) -> Any:
    """Open a file's bytes with FFmpeg.

    Args:
        content: The bytes.
        demuxers: Comma-separated names of FFmpeg formats. Only formats that contain media: a playlist would make
            FFmpeg open the files it names.

    Raises:
        Exception: Any; FFmpeg fails unpredictably on invalid bytes.
    """
    import av

    _limit_ffmpeg()
    return av.open(io.BytesIO(content), options={"format_whitelist": demuxers})


@cache
def _limit_ffmpeg() -> None:
    import ctypes

    from av import _core

    try:
        limit = ctypes.CDLL(_core.__file__).av_max_alloc
    except (OSError, AttributeError):
        return  # this build of FFmpeg is out of reach: its own limit, 2 GiB per block, applies
    limit.argtypes, limit.restype = [ctypes.c_size_t], None
    limit(_LARGEST_BLOCK)


def pictures_of(container: Any) -> list[Any]:
    """Return the video streams, without cover art."""
    from av.stream import Disposition

    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & covers]


def is_cut_container(content: bytes) -> bool:
    """Return whether a file ends earlier than its headers say: MP4, MOV, Matroska, WebM, AVI, Ogg, GIF, PNG, WebP.

    Bytes after the end (tags, padding, text) are ignored.
    """
    if content[4:8] in _BOXES:
        return _boxes_are_cut(content)
    if content.startswith(b"\x1aE\xdf\xa3"):
        return _segment_is_cut(content)
    if content.startswith(b"OggS"):
        return _last_page_is_cut(content)
    if content.startswith(b"RIFF") and content[8:12] == b"AVI ":
        return _lists_are_cut(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return 8 + int.from_bytes(content[4:8], "little") > len(content)
    if content.startswith(_PNG):
        return _chunks_are_cut(content)
    return content.startswith(b"GIF8") and _blocks_are_cut(content)


def _last_page_is_cut(content: bytes) -> bool:
    """Return whether the last page of an Ogg file, or a packet in it, is cut; the end-of-stream flag may be absent."""
    page = content.rfind(b"OggS")
    sizes = content[page + 27 : page + 27 + content[page + 26]] if page + 26 < len(content) else b""
    end = page + 27 + len(sizes) + sum(sizes)
    if not sizes or end > len(content) or b"OggS".startswith(content[end:] or b"?"):
        return True
    return sizes[-1] == _GOES_ON and not content[page + 5] & _LAST_PAGE


def _boxes_are_cut(content: bytes) -> bool:
    """Return whether an MP4 file lacks all or part of its index or its media; bytes after these are ignored."""
    position = 0
    media: list[bytes] = []
    while position + 8 <= len(content):
        kind = content[position + 4 : position + 8]
        size = int.from_bytes(content[position : position + 4], "big")
        if size == 1:
            size = int.from_bytes(content[position + 8 : position + 16], "big")
        elif size == 0:  # to the end
            size = len(content) - position
        if position + size > len(content):
            return kind in _MEDIA_BOXES or not _is_complete(media)
        if kind in _MEDIA_BOXES and media[-1:] != [kind]:
            media.append(kind)
        position += max(size, 8)
    return not _is_complete(media)


def _is_complete(media: list[bytes]) -> bool:
    """Return whether an MP4 file has an index, its media, and the media of its last fragment."""
    return b"moov" in media and b"mdat" in media and media[-1] != b"moof"


def _segment_is_cut(content: bytes) -> bool:
    """Return whether a Matroska file's segment, or an element in it, extends past the end of the file."""
    size, start = _ebml_size(content, 4)
    if size is None or content[start + size : start + size + 4] != _SEGMENT:
        return size is not None and start + size >= len(content)
    inner, begin = _ebml_size(content, start + size + 4)
    return _elements_are_cut(content, begin) if inner is None else begin + inner > len(content)


def _elements_are_cut(content: bytes, position: int) -> bool:
    """Return whether the last element of a segment of unknown size, or of its last cluster, extends past the end."""
    while position < len(content) and (name := next((n for n in _ELEMENTS if content.startswith(n, position)), None)):
        size, position = _ebml_size(content, position + len(name))
        position += size or 0
    return position > len(content)


def _ebml_size(content: bytes, position: int) -> tuple[int | None, int]:
    """Return a size (None if unknown) and the position after it; its leading bits give its length in bytes."""
    first = content[position] if position < len(content) else 0
    length = 9 - first.bit_length() if first else 8
    size = int.from_bytes(content[position : position + length], "big") & ((1 << 7 * length) - 1)
    return (None if size == (1 << 7 * length) - 1 else size), position + length


def _lists_are_cut(content: bytes) -> bool:
    """Return whether an AVI file ends before the last of its lists does."""
    position = 0
    while content.startswith(b"RIFF", position):
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        if not 0 < size < _TO_A_PIPE:
            return False
        position += 8 + size + size % 2
    return position > len(content) + 1


def _chunks_are_cut(content: bytes) -> bool:
    """Return whether a PNG file ends before its last chunk, ``IEND``."""
    position = len(_PNG)
    while position + 8 <= len(content):
        if content.startswith(b"IEND", position + 4):
            return False
        position += 12 + int.from_bytes(content[position : position + 4], "big")
    return True


def _blocks_are_cut(content: bytes) -> bool:
    """Return whether a GIF file ends before its trailer."""
    position = _past_colours(content, 10, 13)
    parts = 0
    while content.startswith((b"!", b","), position):
        if content[position] == ord("!"):
            position += 2
        else:
            position = _past_colours(content, position + 9, position + 10) + 1
        while position < len(content) and content[position]:
            position += 1 + content[position]
            parts += 1
            if parts > _MOST_PARTS:
                return False
        position += 1
    return position >= len(content)


def _past_colours(content: bytes, flags: int, start: int) -> int:
    """Return where the GIF colour table at ``start`` ends; ``start`` itself if the flags announce none."""
    bits = content[flags] if flags < len(content) else 0
    return start + (3 << (bits & 7) + 1 if bits & 0x80 else 0)
