"""The packets of a video stream, read without decoding."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

MOST_FRAMES = 2_000_000  # 18 hours at 30 frames per second
_RESTARTING = ("mpegts", "mpeg")  # formats whose files may be concatenated as they are, timestamps included
_RAW = ("h264", "hevc", "m4v", "mpegvideo")  # formats without timestamps; FFmpeg guesses some
_SIMPLE = ("flv", "ivf", "gif", "apng", "asf", "obu")  # formats whose packets FFmpeg calls corrupt only if cut
_IN_PARTS, _MOST_PARTS = ("h264", "hevc"), 16_384
_ON_ONE_CANVAS = ("apng", "gif")  # codecs whose frames may be patches on earlier ones
_APART = 10  # seconds by which timestamps may jump without counting as restarted
_UNTOLD = -(2**62)


@dataclass(frozen=True)
class Packets:
    """Packets as stored, without empty ones.

    Args:
        pts: (P,) display times in ticks; ``told`` says which are known.
        dts: (P,) decoding times in ticks.
        told: (P, 2) bool: whether the file gives pts and dts.
        durations: (P,) display durations; 0 if unknown.
        keys: (P,) whether each is a keyframe.
        hidden: (P,) whether each is decoded only for other frames and never shown.
        restarts: The numbers of the packets at which a joined file starts.
        tick: Length of a tick in seconds.
        step: Display duration in ticks of frames that do not give it.
        stop: The byte after the last packet; -1 if unknown.
    """

    pts: Array
    dts: Array
    told: Array
    durations: Array
    keys: Array
    hidden: Array
    restarts: Array
    tick: Fraction
    step: int
    stop: int

    def __len__(self) -> int:
        return len(self.pts)


def read_packets(container: Any, stream: Any) -> Packets:
    """Read the packets of a video stream; joined files get continuous times.

    Raises:
        UnusableError: ``corrupt`` if there are no packets or one is cut, ``skipped`` if there are too many.
    """
    tick = Fraction(stream.time_base)
    step = _usual_duration(stream, tick)
    shown, decoded, durations = (array("q") for _ in range(3))
    keys, hidden = bytearray(), bytearray()
    restarts: list[int] = []
    stop = -1
    times_of = _times_of(container.format.name, tick, step)
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if len(shown) == MOST_FRAMES:
            raise UnusableError("skipped", f"more than {MOST_FRAMES} frames")
        if _is_crumbled(packet, stream.codec_context.name):
            raise UnusableError("corrupt", f"damaged: frame {len(shown) + 1} is of more than {_MOST_PARTS} parts")
        if packet.is_corrupt and container.format.name in _SIMPLE:
            raise UnusableError("corrupt", f"truncated or damaged: frame {len(shown) + 1} lacks its end")
        times, restarted = times_of(packet.pts, packet.dts)
        if restarted:
            restarts.append(len(shown))
        pts, dts = (_UNTOLD if time is None else time for time in times)
        stop = -1 if packet.pos is None else packet.pos + packet.size
        shown.append(pts)
        decoded.append(dts)
        durations.append(packet.duration or 0)
        keys.append(packet.is_keyframe)
        hidden.append(packet.is_discard)
    if not shown:
        raise UnusableError("corrupt", "0 frames")
    times_told = np.stack([np.array(shown), np.array(decoded)], axis=1) != _UNTOLD
    packets = Packets(
        np.array(shown), np.array(decoded), times_told, np.array(durations), np.array(keys, bool),
        np.array(hidden, bool), np.array(restarts, np.int64), tick, step, stop,
    )  # fmt: skip
    return _corrected(packets, container.format.name, stream.codec_context)


def _is_crumbled(packet: Any, codec: str) -> bool:
    """Return whether an H.264 or H.265 packet has so many parts that decoding it would exhaust memory."""
    if codec not in _IN_PARTS or packet.size < _MOST_PARTS:
        return False
    return bytes(packet).count(b"\0\0\1") > _MOST_PARTS


def _corrected(packets: Packets, container: str, codec_context: Any) -> Packets:
    """Correct what FFmpeg reports wrongly about packets."""
    leans_on_all = codec_context.name in _ON_ONE_CANVAS
    if container == "avi":
        # Empty chunks lie between chunks with pictures, and each counts as one.
        paced = pace(np.diff(packets.dts)) or packets.step
        packets = replace(packets, durations=np.zeros_like(packets.durations), step=paced)
        leans_on_all |= bool(packets.keys.all()) and not codec_context.codec.intra_only  # it has no chunk index
    return replace(packets, keys=np.arange(len(packets)) == 0) if leans_on_all else packets


def pace(durations: Array) -> int:
    """Return the most common duration; 0 if none is known."""
    positive = durations[durations > 0]
    return int(np.median(positive)) if len(positive) else 0


_Times = tuple[int | None, int | None]
_TimesOf = Callable[[int | None, int | None], tuple[_Times, bool]]


def _times_of(container: str, tick: Fraction, step: int) -> _TimesOf:
    """Return a function from FFmpeg's times to those of a packet, and whether timestamps restarted with it."""
    if container in _RAW:
        return lambda pts, dts: ((None, None), False)
    return _joiner(tick, step) if container in _RESTARTING else lambda pts, dts: ((pts, dts), False)


def _joiner(tick: Fraction, step: int) -> _TimesOf:
    """Return a function that shifts packet times so that joined files follow each other."""
    expected: int | None = None
    offset = 0

    def join(pts: int | None, dts: int | None) -> tuple[_Times, bool]:
        nonlocal expected, offset
        time = pts if dts is None else dts
        if time is None:
            return (pts, dts), False
        wrong = 0 if expected is None else time + offset - expected
        restarted = abs(wrong * tick) > _APART or (dts is not None and wrong < -step)
        if restarted:
            offset -= wrong
        expected = time + offset + step
        return (pts if pts is None else pts + offset, dts if dts is None else dts + offset), restarted

    return join


def _usual_duration(stream: Any, tick: Fraction) -> int:
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(1 / (rate * tick))) if rate else 1
