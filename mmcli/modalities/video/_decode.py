"""Decodes those frames of a video that are shown at given times, and no more than these need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.containers import is_cut_container, open_container, pictures_of
from mmcli.modalities.video._timeline import Timeline, read_timeline
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from PIL.Image import Image

_DEMUXERS = "aac,asf,avi,dv,flac,flv,gif,ivf,matroska,mov,mp3,mpeg,mpegts,mxf,ogg,rm,wav"
_NAMES = (
    (4, b"ftyp", "MP4 or MOV"), (4, b"moov", "MP4 or MOV"), (4, b"mdat", "MP4 or MOV"), (4, b"wide", "MP4 or MOV"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"), (8, b"AVI ", "AVI"), (0, b"FLV\1", "FLV"), (0, b"OggS", "Ogg"),
    (0, b"GIF8", "GIF"), (0, b"0&\xb2u\x8ef\xcf\x11", "WMV"), (0, b"\0\0\1\xba", "MPEG"), (188, b"G", "MPEG-TS"),
    (0, b"\x06\x0e+4", "MXF"), (0, b"DKIF", "IVF"), (0, b".RMF", "RealMedia"),
)  # fmt: skip
_SQUARE = (Fraction(1, 4), Fraction(4))  # pixels narrower or wider are no pixels but damage


def pictures(
    content: bytes, times_of: Callable[[Fraction], Sequence[Fraction]], max_pixels: int, max_frames: int
) -> Iterator[Image]:
    """Return the picture that is shown at each time, upright, in RGB or RGBA.

    Pictures are compared with the times by when they are shown, so that the rate may vary.

    Args:
        content: The bytes of the file.
        times_of: Takes how long the video is, in seconds, to rising times from its first frame.
        max_pixels: Of a frame.
        max_frames: That may be decoded.

    Raises:
        UnusableError: ``corrupt`` where it is no video, damaged or shorter than its header says, ``skipped`` where
            it is over a limit.
    """
    name = next((name for at, sign, name in _NAMES if content.startswith(sign, at)), None)
    if is_cut_container(content):
        raise UnusableError("corrupt", f"truncated {name}")
    try:
        yield from _decode(content, times_of, max_pixels, max_frames)
    except UnusableError:
        raise
    except Exception:  # FFmpeg fed damaged bytes
        raise UnusableError("corrupt", "not a video" if name is None else f"damaged {name}") from None


def _decode(
    content: bytes, times_of: Callable[[Fraction], Sequence[Fraction]], max_pixels: int, max_frames: int
) -> Iterator[Image]:
    with open_container(content, _DEMUXERS) as container:
        stream = _pictures_stream(container)
        _check_size(stream.codec_context, max_pixels)
        timeline = read_timeline(container, stream)
    wanted = timeline.shown_at(times_of(timeline.seconds))
    needed = timeline.needed_for(wanted)
    if np.count_nonzero(needed) > max_frames:
        raise UnusableError("skipped", f"more than {max_frames} frames to decode: --max-decode-frames")
    with open_container(content, _DEMUXERS) as container:
        stream = _pictures_stream(container)
        stream.codec_context.thread_count = 1  # clips are decoded side by side
        # What is damaged is an error rather than painted over.
        stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(max_pixels)}
        for frame in _at(timeline.pts[wanted], _frames(container, stream, timeline, needed)):
            _check_size(frame, max_pixels)
            yield _picture(frame, stream.sample_aspect_ratio)


def _pictures_stream(container: Any) -> Any:
    streams = pictures_of(container)
    if not streams:
        raise UnusableError("corrupt", "no picture in it")
    if streams[0].codec_context is None:
        raise UnusableError("skipped", "its video codec cannot be read: convert it to H.264")
    return streams[0]


def _check_size(picture: Any, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise UnusableError("skipped", f"more than {max_pixels} pixels: --max-pixels")


def _frames(container: Any, stream: Any, timeline: Timeline, needed: Array) -> Iterator[tuple[int, Any]]:
    """Decode the needed packets, run by run; return each frame with when it is shown, in ticks."""
    decoder = stream.codec_context
    edges = np.flatnonzero(np.diff(np.concatenate([[False], needed, [False]])))
    stops = dict(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    first = stop = 0
    times: Iterator[int] = iter(())
    for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
        if number in stops:
            stop, first = stops[number], timeline.pts[number]
            shown = timeline.pts[number:stop]
            times = iter(np.sort(shown[shown >= first]).tolist())
        if number >= stop:
            continue
        if timeline.pts[number] >= first:  # others are shown before this run, and may need what is not decoded
            yield from _with_times(decoder.decode(packet), times, timeline.guessed)
        if number == stop - 1:
            yield from _with_times(decoder.decode(None), times, timeline.guessed)
            decoder.flush_buffers()


def _with_times(frames: list[Any], times: Iterator[int], guessed: bool) -> Iterator[tuple[int, Any]]:
    for frame in frames:
        if frame.is_corrupt:
            raise UnusableError("corrupt", "damaged frames")
        in_order = next(times, frame.pts)
        yield (in_order if guessed or frame.pts is None else frame.pts), frame


def _at(wanted: Array, frames: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    """Return for each time, rising, the last frame that is shown by then; the first one where none is."""
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
    for _ in left:  # packets that show nothing, as some codecs have
        yield before


def _picture(frame: Any, shape: Fraction | None) -> Image:
    """Return a frame in RGB or RGBA, its pixels made square, turned upright.

    Args:
        frame: As decoded.
        shape: Of its pixels: their width by their height.
    """
    from PIL import Image as pil

    mode = "rgba" if any(part.is_alpha for part in frame.format.components) else "rgb24"
    image = pil.fromarray(frame.to_ndarray(format=mode))
    if shape and shape != 1 and _SQUARE[0] <= shape <= _SQUARE[1]:
        image = image.resize((max(1, round(image.width * shape)), image.height), pil.Resampling.BILINEAR)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return image if matrix is None else pil.fromarray(_turn(np.asarray(image), np.frombuffer(bytes(matrix), np.int32)))


def _turn(pixels: Array, matrix: Array) -> Array:
    """Turn and flip pixels (H, W, C) as FFmpeg's display matrix says, by quarter turns.

    Args:
        pixels: As stored.
        matrix: (9,): a pixel (x, y) is shown at (a x + c y, b x + d y), for a, b, _, c, d the first five.
    """
    a, b, _, c, d = matrix[:5].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    pixels = pixels[:, ::-1] if a < 0 else pixels
    return np.ascontiguousarray(pixels[::-1] if d < 0 else pixels)
