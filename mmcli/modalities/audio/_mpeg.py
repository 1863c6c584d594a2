"""MPEG audio (MP3, MP2, MP1): frames are found one by one, because header counts may be wrong or missing."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from mmcli.errors import UnusableError
from mmcli.modalities.audio._tags import size_of_id3
from mmcli.store.columns import Array

_BIT_RATES = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # kbit/s, by version and layer
_RATES = (44100, 48000, 32000)
_HEADER = 4
_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff][\x10-\xef]", re.DOTALL)
_MAX_SEARCHES = 2**18  # false frame starts to try before giving up
_XING_HAS_FRAMES, _XING_HAS_BYTES, _XING_HAS_TABLE, _XING_HAS_QUALITY = 1, 2, 4, 8
_ENCODERS = (b"LAME", b"Lavf", b"Lavc")
_DECODER_DELAY = 529


@dataclass(frozen=True)
class _Header:
    """The header of a frame: its layer, bytes, samples, and rate in Hz."""

    version: int
    layer: int
    size: int
    samples: int
    rate: int


@dataclass
class MpegPart:
    """Consecutive frames written by one encoder.

    Args:
        kind: The header bits that its frames share: version, layer and rate.
        layer: 1, 2 or 3.
        rate: In Hz.
        starts: Where each frame begins.
        skip: Samples that encoder and decoder add before the sound.
        padding: Samples that the encoder added after it.
        counted: Number of frames according to the encoder; None if unknown.
    """

    kind: bytes
    layer: int
    rate: int
    starts: array[int] = field(default_factory=lambda: array("Q"))
    skip: int = 0
    padding: int = 0
    counted: int | None = None


@dataclass(frozen=True)
class MpegAudio:
    """The frames of a file: its parts, one for each joined file, and whether the last frame is cut."""

    parts: list[MpegPart]
    is_cut: bool


def is_mpeg_frame(start: bytes) -> bool:
    """Return whether two bytes may start an MPEG audio frame of layer I, II or III."""
    return len(start) == 2 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0 and start[1] & 0x06 != 0


def read_mpeg(content: bytes) -> MpegAudio | None:
    """Find the frames in a file without tags; None if there are none of known length.

    Tags and other bytes between frames are skipped.

    Raises:
        UnusableError: ``corrupt`` if most bytes belong to no frame.
    """
    parts: list[MpegPart] = []
    position = searches = strange = 0
    last = b""
    while position + _HEADER <= len(content):
        header = _header(content[position + 1], content[position + 2]) if content[position] == 0xFF else None
        kind = _kind(content, position)
        if header and (kind == last or _is_followed(content, position, header)):
            if position + header.size > len(content):
                return MpegAudio(parts, is_cut=True)
            _add(parts, content, position, header)
            last = kind
            position += header.size
            continue
        if content.startswith(b"ID3", position):
            position += size_of_id3(content, position)
            continue
        found = _SYNC.search(content, position + 1)
        searches += 1
        if not found or searches > _MAX_SEARCHES:
            break
        strange += found.start() - position
        position, last = found.start(), b""
    if not parts:
        return None
    if strange > len(content) // 2:
        raise UnusableError("corrupt", "damaged MP3: most of it is no sound")
    rest = content[position:]
    return MpegAudio(parts, is_cut=0 < len(rest) < _HEADER and (b"\xff" + last[:1]).startswith(rest[:2]))


def decode_part(content: bytes, part: MpegPart) -> Iterator[Array]:
    """Decode a part to the mean of its channels, without the encoder's padding at both ends.

    Raises:
        Exception: Any; FFmpeg fails unpredictably on damaged frames.
    """
    import av

    decoder = av.CodecContext.create(f"mp{part.layer}float", "r")
    skip, left = part.skip, _length(part, content)
    for start in part.starts:
        header = _header(content[start + 1], content[start + 2])
        assert header is not None
        for frame in decoder.decode(av.Packet(content[start : start + header.size])):
            block = frame.to_ndarray().mean(axis=0)[skip:]
            skip = max(0, skip - frame.samples)
            yield block[:left]
            left -= len(block[:left])


def _length(part: MpegPart, content: bytes) -> int:
    """Return the number of samples in a part, without padding at the end if the frame count is right."""
    first = _header(content[part.starts[0] + 1], content[part.starts[0] + 2]) if part.starts else None
    whole = len(part.starts) * (first.samples if first else 0) - part.skip
    is_right = part.counted is not None and abs(part.counted - len(part.starts)) <= 1
    return max(0, whole - max(0, part.padding - _DECODER_DELAY) if is_right else whole)


def _kind(content: bytes, position: int) -> bytes:
    """Return the header bits that frames of one sound share: version, layer and rate."""
    return bytes((content[position + 1] | 1, content[position + 2] & 0x0C))


def _is_followed(content: bytes, position: int, header: _Header) -> bool:
    """Return whether a candidate frame is followed by a frame of the same kind, or by the end."""
    after = position + header.size
    if after >= len(content):
        return after == len(content) or position == 0
    return (
        content[after] == 0xFF
        and after + _HEADER <= len(content)
        and _header(content[after + 1], content[after + 2]) is not None
        and _kind(content, after) == _kind(content, position)
    )


@cache
def _header(second: int, third: int) -> _Header | None:
    """Parse the second and third byte of a frame; None if they are invalid or leave its size open."""
    version, layer = {0: 3, 2: 2, 3: 1}.get(second >> 3 & 3, 0), 4 - (second >> 1 & 3)
    if second & 0xE0 != 0xE0 or not version or layer == 4 or not 0 < third >> 4 < 15 or third >> 2 & 3 == 3:
        return None
    rate = _RATES[third >> 2 & 3] // {1: 1, 2: 2, 3: 4}[version]
    bits = _BIT_RATES[min(version, 2), layer][third >> 4] * 1000
    samples = {1: 384, 2: 1152, 3: 1152 if version == 1 else 576}[layer]
    padding = third >> 1 & 1
    size = (12 * bits // rate + padding) * 4 if layer == 1 else samples // 8 * bits // rate + padding
    return _Header(version, layer, size, samples, rate)


def _add(parts: list[MpegPart], content: bytes, position: int, header: _Header) -> None:
    """Add a frame to the last part; an index frame starts a new part instead."""
    start, kind = _index_of(content, position, header), _kind(content, position)
    if start is None:
        if not parts or parts[-1].kind != kind:
            parts.append(MpegPart(kind, header.layer, header.rate))
        parts[-1].starts.append(position)
        return
    part = MpegPart(kind, header.layer, header.rate)
    if content[start : start + 4] != b"VBRI":
        flags = int.from_bytes(content[start + 4 : start + 8], "big")
        if flags & _XING_HAS_FRAMES:
            part.counted = int.from_bytes(content[start + 8 : start + 12], "big")
        start += 8 + 4 * bool(flags & _XING_HAS_FRAMES) + 4 * bool(flags & _XING_HAS_BYTES)
        start += 100 * bool(flags & _XING_HAS_TABLE) + 4 * bool(flags & _XING_HAS_QUALITY)
        if content.startswith(_ENCODERS, start):
            added = int.from_bytes(content[start + 21 : start + 24], "big")
            part.skip, part.padding = (added >> 12) + _DECODER_DELAY, added & 0xFFF
    parts.append(part)


def _index_of(content: bytes, position: int, header: _Header) -> int | None:
    """Return where the index in a frame (Xing, Info, VBRI) begins; None if the frame holds sound."""
    if header.layer != 3:
        return None
    mono = content[position + 3] >> 6 == 3
    sides = (17 if mono else 32) if header.version == 1 else (9 if mono else 17)
    start = position + _HEADER + sides
    if content.startswith((b"Xing", b"Info"), start):
        return start
    start = position + _HEADER + 32
    return start if content.startswith(b"VBRI", start) else None
