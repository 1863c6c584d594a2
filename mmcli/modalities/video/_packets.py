"""The packets of a stream of pictures, read without decoding any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

_MOST = 2_000_000  # 18 hours of 30 frames a second
_RESTARTING = ("mpegts", "mpeg")  # formats whose files may be joined as they are, timestamps and all
_RAW = ("h264", "hevc", "m4v", "mpegvideo")  # formats without timestamps, of which FFmpeg guesses some
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
        UnusableError: ``corrupt`` where there are none, ``skipped`` where there are too many.
    """
    tick = Fraction(stream.time_base)
    step = _usual_duration(stream, tick)
    rows: list[tuple[int, int, int, bool, bool]] = []
    restarts: list[int] = []
    stop = -1
    times_of = _times_of(container.format.name, tick, step)
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if len(rows) == _MOST:
            raise UnusableError("skipped", f"more than {_MOST} frames")
        times, restarted = times_of(packet.pts, packet.dts)
        if restarted:
            restarts.append(len(rows))
        pts, dts = (_UNTOLD if time is None else time for time in times)
        stop = -1 if packet.pos is None else packet.pos + packet.size
        rows.append((pts, dts, packet.duration or 0, packet.is_keyframe, packet.is_discard))
    if not rows:
        raise UnusableError("corrupt", "0 frames")
    shown, decoded, durations, keys, hidden = (np.array(values, np.int64) for values in zip(*rows, strict=True))
    told = np.stack([shown, decoded], axis=1) != _UNTOLD
    if container.format.name == "avi":  # empty chunks lie between those with pictures, each of which counts as one
        durations[:], step = 0, pace(np.diff(decoded)) or step
    if _leans_on_all(container.format.name, stream.codec_context, bool(keys.all())):
        keys[1:] = 0
    return Packets(
        shown, decoded, told, durations, keys > 0, hidden > 0, np.array(restarts, np.int64), tick, step, stop,
    )  # fmt: skip


def _leans_on_all(container: str, codec_context: Any, all_keys: bool) -> bool:
    """Tell whether each frame may need all before it, though packets say that they need no other."""
    if codec_context.name in _ON_ONE_CANVAS:
        return True
    return container == "avi" and all_keys and not codec_context.codec.intra_only  # without a list of chunks


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
