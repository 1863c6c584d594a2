"""Decodes the frames of a video that are shown at given times, and only the frames these need."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.containers import is_cut_container
from mmcli.modalities.video._animation import animated_pictures, is_animated_webp, read_times, size_of
from mmcli.modalities.video._avi import count_empty_chunks
from mmcli.modalities.video._in_order import sequence_of
from mmcli.modalities.video._packets import Packets, read_packets
from mmcli.modalities.video._picture import picture
from mmcli.modalities.video._streams import opened, opened_for_decoding
from mmcli.modalities.video._timeline import Timeline, timeline_of
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_NAMES = (
    (4, b"ftyp", "MP4 or MOV"), (4, b"moov", "MP4 or MOV"), (4, b"mdat", "MP4 or MOV"), (4, b"wide", "MP4 or MOV"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"), (8, b"AVI ", "AVI"), (0, b"FLV\1", "FLV"), (0, b"OggS", "Ogg"),
    (0, b"GIF8", "GIF"), (0, b"0&\xb2u\x8ef\xcf\x11", "WMV"), (0, b"\0\0\1\xba", "MPEG"), (188, b"G", "MPEG-TS"),
    (0, b"\x06\x0e+4", "MXF"), (0, b"DKIF", "IVF"), (0, b".RMF", "RealMedia"), (0, b"YUV4MPEG2", "Y4M"),
    (0, b"\0\0\1", "H.264, H.265 or MPEG"),
    (0, b"\0\0\0\1", "H.264, H.265 or MPEG"),
)  # fmt: skip
_PACKED = re.compile(rb"DivX\d+(?:b|Build)\d+p")  # encoder signature: a packet may hold two frames
_HEAD = 2**16  # bytes in which to look for it
_CHUNK = 8  # bytes of an empty chunk of an AVI
_STORED_OUT_OF_ORDER = ("h264", "hevc")  # codecs whose display times AVI does not store


def pictures(
    content: bytes, times_of: Callable[[Fraction], Sequence[Fraction]], max_pixels: int, max_frames: int
) -> Iterator[Image]:
    """Return the picture shown at each time, upright, in RGB or RGBA.

    Pictures are chosen by display time, so the frame rate may vary.

    Args:
        content: The bytes of the file.
        times_of: Maps the duration in seconds to increasing times, in seconds from the first frame.
        max_pixels: Maximum pixels of a frame.
        max_frames: Maximum number of frames to decode.

    Raises:
        UnusableError: ``corrupt`` if it is not a video, damaged, or shorter than its header says; ``skipped`` if it
            is over a limit.
    """
    name = _name_of(content)
    if name is not None and is_cut_container(content):
        raise UnusableError("corrupt", f"truncated {name}")
    decode = _decode_animation if is_animated_webp(content) else _decode
    try:
        yield from decode(content, times_of, max_pixels, max_frames)
    except UnusableError:
        raise
    except Exception:  # FFmpeg fails in any way on damaged bytes
        raise UnusableError("corrupt", "not a video" if name is None else f"damaged {name}") from None


def _name_of(content: bytes) -> str | None:
    """Return the video format by the first bytes; None if there is none, or it is a still picture."""
    if is_animated_webp(content):
        return "WebP"
    if content.startswith(b"\x89PNG"):
        return "APNG" if 0 < content.find(b"acTL") < content.find(b"IDAT") else None
    return next((name for at, sign, name in _NAMES if content.startswith(sign, at)), None)


def _decode_animation(
    content: bytes, times_of: Callable[[Fraction], Sequence[Fraction]], max_pixels: int, max_frames: int
) -> Iterator[Image]:
    _check_size(*size_of(content), max_pixels)
    times = read_times(content)
    wanted = times.shown_at(times_of(times.seconds))
    _check_count(int(wanted.max()) + 1, max_frames)
    return animated_pictures(content, wanted)


def _decode(
    content: bytes, times_of: Callable[[Fraction], Sequence[Fraction]], max_pixels: int, max_frames: int
) -> Iterator[Image]:
    with opened(content) as (container, stream):
        _check_size(stream.codec_context.width, stream.codec_context.height, max_pixels)
        packets = read_packets(container, stream)
        least = _check_complete(container, stream, packets, content)
        codec = stream.codec_context
        timeline = timeline_of(packets, codec.name, bool(codec.codec.reorder))
        if _is_untold(container, codec, content):
            timeline = None
    if timeline is None:
        yield from _decode_in_order(content, packets, least, times_of, max_pixels, max_frames)
        return
    timeline = replace(timeline, end=max(timeline.end, least))
    wanted = timeline.shown_at(times_of(timeline.seconds))
    needed = timeline.needed_for(wanted)
    _check_count(int(np.count_nonzero(needed)), max_frames)
    with opened_for_decoding(content, max_pixels) as (container, stream, decoder):
        frames = _frames(container, stream, decoder, timeline, needed)
        for frame in _at(timeline.pts[wanted], frames):
            _check_size(frame.width, frame.height, max_pixels)
            yield picture(frame, stream.sample_aspect_ratio, stream.codec_context)


def _decode_in_order(
    content: bytes,
    packets: Packets,
    least: int,
    times_of: Callable[[Fraction], Sequence[Fraction]],
    max_pixels: int,
    max_frames: int,
) -> Iterator[Image]:
    """Decode all frames to learn their display times, then decode again to return the wanted ones."""
    with opened_for_decoding(content, max_pixels) as (container, stream, decoder):
        times = sequence_of(_all_frames(container, stream, decoder), packets, max_frames)
    empty = least - int(packets.dts[-1]) - packets.step if least else 0
    times = replace(times, end=times.end + max(0, empty))
    wanted = times.shown_at(times_of(times.seconds))
    with opened_for_decoding(content, max_pixels) as (container, stream, decoder):
        for frame in _at(wanted, enumerate(_all_frames(container, stream, decoder))):
            _check_size(frame.width, frame.height, max_pixels)
            yield picture(frame, stream.sample_aspect_ratio, stream.codec_context)


def _is_untold(container: Any, codec: Any, content: bytes) -> bool:
    """Return whether this video's packets have timestamps that do not identify the frame shown."""
    if codec.name == "mpeg4":
        return _PACKED.search(content[:_HEAD]) is not None
    return container.format.name == "avi" and codec.name in _STORED_OUT_OF_ORDER


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise UnusableError("skipped", f"more than {max_pixels} pixels: --max-pixels")


def _check_count(count: int, max_frames: int) -> None:
    if count > max_frames:
        raise UnusableError("skipped", f"more than {max_frames} frames to decode: --max-decode-frames")


def _check_complete(container: Any, stream: Any, packets: Packets, content: bytes) -> int:
    """Return the earliest possible end of the video, in ticks.

    Raises:
        UnusableError: ``corrupt`` if listed frames are absent from the file, or if it is a photograph.
    """
    container_name = container.format.name
    if container_name == "mjpeg" and len(packets) == 1:
        raise UnusableError("corrupt", "not a video")
    if container_name == "yuv4mpegpipe" and 0 <= packets.stop < len(content):
        raise UnusableError("corrupt", "truncated or damaged Y4M")
    if container_name == "avi":
        found = len(packets) + count_empty_chunks(content, stream.index)
        listed = stream.frames if stream.frames * _CHUNK < len(content) else 0  # or a pipe's placeholder
        _check_found(found, listed)
        return int(listed)
    if container_name.startswith("mov"):
        entries = getattr(stream, "index_entries", ())
        _check_found(len(packets), sum(1 for number in range(len(entries)) if entries[number].size))
    return 0


def _check_found(found: int, listed: int) -> None:
    if found < listed:
        raise UnusableError("corrupt", f"truncated or damaged: {found} of {listed} frames")


def _all_frames(container: Any, stream: Any, decoder: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        if packet.size:
            yield from map(_undamaged, decoder.decode(packet))
    yield from map(_undamaged, decoder.decode(None))


def _undamaged(frame: Any) -> Any:
    if frame.is_corrupt:
        raise UnusableError("corrupt", "damaged frames")
    return frame


def _frames(container: Any, stream: Any, decoder: Any, timeline: Timeline, needed: Array) -> Iterator[tuple[int, Any]]:
    """Decode the needed packets, run by run; yield each frame with its display time in ticks."""
    stops = timeline.runs(needed)
    first = stop = 0
    times: Iterator[int] = iter(())
    for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
        time = int(timeline.pts[number])
        if number in stops:
            stop, first = stops[number], time
            shown = timeline.pts[number:stop]
            times = iter(np.sort(shown[shown >= first]).tolist())
        if number >= stop:
            continue
        if time >= first:  # earlier frames may depend on frames that are not decoded
            packet.pts = time
            yield from _with_times(decoder.decode(packet), times, timeline.joints)
        if number == stop - 1:
            yield from _with_times(decoder.decode(None), times, timeline.joints)
            decoder.flush_buffers()


def _with_times(frames: list[Any], times: Iterator[int], joints: Collection[int]) -> Iterator[tuple[int, Any]]:
    for frame in frames:
        in_order = next(times, 0)
        time = in_order if frame.pts is None else frame.pts
        if time not in joints:
            _undamaged(frame)
        yield time, frame


def _at(wanted: Array, frames: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    """Yield for each of the increasing times the last frame shown by then; the first frame if there is none."""
    left = wanted.tolist()[::-1]
    before = None
    for time, frame in frames:
        while left and left[-1] <= time:
            yield frame if left.pop() == time or before is None else before
        if not left:
            return
        before = frame
    if before is None:
        raise UnusableError("corrupt", "0 frames")
    for _ in left:  # some codecs have packets that show nothing
        yield before
