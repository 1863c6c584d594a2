"""The packets of a stream of pictures, read without decoding any."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

MOST_FRAMES = 2_000_000  # 18 hours of 30 frames a second
_RESTARTING = ("mpegts", "mpeg")  # formats whose files may be joined as they are, timestamps and all
_RAW = ("h264", "hevc", "m4v", "mpegvideo")  # formats without timestamps, of which FFmpeg guesses some
_SIMPLE = ("flv", "ivf", "gif", "apng", "asf", "obu")  # formats whose packets FFmpeg calls corrupt only if cut
_IN_PARTS, _MOST_PARTS = ("h264", "hevc"), 16_384
_ON_ONE_CANVAS = ("apng", "gif")  # codecs whose frames may be patches on those before
_APART = 10  # seconds by which timestamps may jump before they count as restarted
_UNTOLD = -(2**62)


@dataclass(frozen=True)
class Packets:
    """Packets as stored, without empty ones.

    Args:
        pts: (P,) when each is shown, in ticks; ``told`` says where it is known.
        dts: (P,) when each is decoded.
        told: (P, 2) bool: whether the file tells the first and the second.
        durations: (P,) how long each is shown; 0 where it is not told.
        keys: (P,) whether each needs no other to be decoded.
        hidden: (P,) whether each is decoded for the sake of others alone.
        restarts: The numbers of packets at which another file was joined to the one before.
        tick: In seconds.
        step: How long a frame is shown that does not tell, in ticks.
        stop: The byte after the last packet; -1 where it is not known.
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
    """Read the packets of a stream of pictures, of joined files with the times of one.

    Raises:
        UnusableError: ``corrupt`` where there are none or one is cut, ``skipped`` where there are too many.
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
    return _mended(packets, container.format.name, stream.codec_context)


def _is_crumbled(packet: Any, codec: str) -> bool:
    """Tell whether a packet of H.264 or H.265 is of so many parts that decoding it would take all memory."""
    if codec not in _IN_PARTS or packet.size < _MOST_PARTS:
        return False
    return bytes(packet).count(b"\0\0\1") > _MOST_PARTS


def _mended(packets: Packets, container: str, codec_context: Any) -> Packets:
    """Return packets without what FFmpeg says wrongly of them."""
    leans_on_all = codec_context.name in _ON_ONE_CANVAS
    if container == "avi":
        # Empty chunks lie between those with pictures, each of which counts as one.
        paced = pace(np.diff(packets.dts)) or packets.step
        packets = replace(packets, durations=np.zeros_like(packets.durations), step=paced)
        leans_on_all |= bool(packets.keys.all()) and not codec_context.codec.intra_only  # it has no list of chunks
    return replace(packets, keys=np.arange(len(packets)) == 0) if leans_on_all else packets


def pace(durations: Array) -> int:
    """Return the usual one of durations; 0 where none is known."""
    positive = durations[durations > 0]
    return int(np.median(positive)) if len(positive) else 0


_Times = tuple[int | None, int | None]
_TimesOf = Callable[[int | None, int | None], tuple[_Times, bool]]


def _times_of(container: str, tick: Fraction, step: int) -> _TimesOf:
    """Return what gives the times of a packet, by what FFmpeg says, and tells whether they restarted with it."""
    if container in _RAW:
        return lambda pts, dts: ((None, None), False)
    return _joiner(tick, step) if container in _RESTARTING else lambda pts, dts: ((pts, dts), False)


def _joiner(tick: Fraction, step: int) -> _TimesOf:
    """Return what moves the times of packets so that a file that was joined to another follows it."""
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
