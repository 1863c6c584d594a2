"""Opens a video container, and chooses its video stream, as a player would, and the stream's decoder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmcli.errors import UnusableError
from mmcli.modalities.containers import open_container, pictures_of

_DEMUXERS = (
    "aac,apng,asf,avi,dv,flac,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp3,mpeg,mpegts,mpegvideo,mxf,obu,ogg,rm,"
    "wav,yuv4mpegpipe"
)
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders drop it
_HEVC_ALPHA = re.compile(rb"\x4e[\x01\x09]\xa5")  # alpha layer message, read by FFmpeg 9 and later only
_DEFAULT_STREAM = 5_000_000  # pixels by which the default stream may be smaller than others


@contextmanager
def opened(content: bytes) -> Iterator[tuple[Any, Any]]:
    """Open a video; yield its container and its video stream.

    Raises:
        UnusableError: ``corrupt`` if there is no video stream, ``skipped`` if its codec cannot be read.
    """
    with open_container(content, _DEMUXERS) as container:
        yield container, _pictures_stream(container)


@contextmanager
def opened_for_decoding(content: bytes, max_pixels: int) -> Iterator[tuple[Any, Any, Any]]:
    """Open a video; yield its container, its video stream and the decoder."""
    with opened(content) as (container, stream):
        decoder = _decoder(stream)
        decoder.thread_count = 1  # clips are decoded side by side
        # Raise an error on damage rather than conceal it.
        decoder.options = {"err_detect": "explode", "max_pixels": str(max_pixels)}
        yield container, stream, decoder


def _pictures_stream(container: Any) -> Any:
    """Return the stream that FFmpeg would show: the largest, or the default stream unless it is much smaller."""
    from av.stream import Disposition

    streams = pictures_of(container)
    if not streams:
        raise UnusableError("corrupt", "no picture in it")
    readable = [stream for stream in streams if stream.codec_context is not None]
    if not readable:
        raise UnusableError("skipped", "its video codec cannot be read: convert it to H.264")
    return max(
        readable,
        key=lambda stream: (
            stream.codec_context.width * stream.codec_context.height
            + _DEFAULT_STREAM * bool(stream.disposition & Disposition.default)
        ),
    )


def _decoder(stream: Any) -> Any:
    """Return a stream's decoder: its own, or one that keeps transparency if there is any.

    Raises:
        UnusableError: ``skipped`` if no decoder keeps the transparency.
    """
    import av

    context = stream.codec_context
    unread = UnusableError("skipped", "its transparency cannot be read: convert it to ProRes 4444 or VP9")
    if context.name == "hevc" and _HEVC_ALPHA.search(context.extradata or b"") and "a" not in (context.pix_fmt or ""):
        raise unread
    if context.name not in _WITH_ALPHA or stream.metadata.get("alpha_mode") != "1":
        return context
    try:
        return av.CodecContext.create(_WITH_ALPHA[context.name], "r")
    except ValueError:  # a build of FFmpeg without libvpx
        raise unread from None
