"""When each frame of a video is shown, read from its packets without decoding any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

_MOST_PACKETS = 2_000_000  # 18 hours of 30 frames a second
_COUNTED = ("mov", "avi")  # containers whose headers count their frames
_ROUNDING = Fraction(1, 1000)  # some containers round to milliseconds when a frame is shown
_STORED_OUT_OF_ORDER = ("h264", "hevc")  # of which AVI does not tell when they are shown
_REORDERED = 32  # frames at most that are stored before another and shown after it


@dataclass(frozen=True)
class Timeline:
    """The frames of a video by the numbers of their packets, as stored.

    Args:
        pts: (P,) when each is shown, in ticks.
        segment: (P,) how many frames up to it need no other to be decoded.
        order: The numbers of the frames that are shown, in the order of time.
        end: When the last is shown no more, in ticks.
        tick: In seconds.
        guessed: Whether ``pts`` are guessed from the order in which frames are stored, which is not that of time.
    """

    pts: Array
    segment: Array
    order: Array
    end: int
    tick: Fraction
    guessed: bool

    @property
    def seconds(self) -> Fraction:
        """How long the video is."""
        return (self.end - int(self.pts[self.order[0]])) * self.tick

    def shown_at(self, times: Sequence[Fraction]) -> Array:
        """Return the numbers of the frames that are shown at times, in seconds from the first frame."""
        shown = self.pts[self.order]
        ticks = np.array([int(shown[0]) + (time + _ROUNDING) // self.tick for time in times], np.int64)
        return np.asarray(self.order[np.maximum(np.searchsorted(shown, ticks, side="right") - 1, 0)])

    def needed_for(self, wanted: Array) -> Array:
        """Tell which packets must be decoded so that the ``wanted`` ones can be, (P,) bool.

        Each run of them begins with a frame that needs no other. Frames that are stored after that one and shown
        before it may need others: they are not among the wanted.
        """
        needed = np.zeros(len(self.pts), bool)
        for number in np.unique(wanted):
            start = 0 if self.guessed else np.searchsorted(self.segment, self.segment[number])
            if self.pts[number] < self.pts[start] and start > 0:  # it also leans on what is before that start
                start = np.searchsorted(self.segment, self.segment[start - 1])
            needed[start : number + 1 + _REORDERED] = True
        return needed


def read_timeline(container: Any, stream: Any) -> Timeline:
    """Read the packets of a stream of pictures.

    Raises:
        UnusableError: ``corrupt`` where there are none or fewer than the header counts, ``skipped`` where there are
            too many.
    """
    pts: list[int] = []
    keys: list[bool] = []
    hidden: list[bool] = []
    last = 0  # the duration of the frame that is shown last
    for packet in container.demux(stream):
        time = packet.dts if packet.pts is None else packet.pts
        if not packet.size:
            continue
        if len(pts) == _MOST_PACKETS:
            raise UnusableError("skipped", f"more than {_MOST_PACKETS} frames")
        if time is None:
            time = pts[-1] + 1 if pts else 0
        if not pts or time >= max(pts[-_REORDERED:]):
            last = packet.duration or 0
        pts.append(time)
        keys.append(packet.is_keyframe)
        hidden.append(packet.is_discard)
    if not pts:
        raise UnusableError("corrupt", "0 frames")
    if container.format.name.startswith(_COUNTED) and len(pts) < stream.frames:
        raise UnusableError("corrupt", f"truncated or damaged: {len(pts)} of {stream.frames} frames")
    times, segment = np.array(pts, np.int64), np.cumsum(keys)
    shown = ~np.array(hidden) & ((segment > 0) | (segment[-1] == 0))
    shown &= times >= times[np.argmax(keys)]
    order = np.flatnonzero(shown)
    if not len(order):
        raise UnusableError("corrupt", "0 frames")
    order = order[np.argsort(times[order], kind="stable")]
    tick = Fraction(stream.time_base)
    end = int(times[order[-1]]) + max(1, last or _usual_duration(stream, tick))
    guessed = container.format.name == "avi" and stream.codec_context.name in _STORED_OUT_OF_ORDER
    return Timeline(times, segment, order, end, tick, guessed)


def _usual_duration(stream: Any, tick: Fraction) -> int:
    rate = stream.average_rate or stream.guessed_rate
    return round(1 / (rate * tick)) if rate else 1
