"""Finds the display time of each frame of a video from its packets, without decoding."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.video._packets import Packets
from mmcli.store.columns import Array

_ROUNDING = Fraction(1, 1000)  # some containers round display times to milliseconds
_REORDERED = 32  # maximum number of frames stored before another and shown after it
_BEFORE, _AFTER = 4, 2
_MPEG = ("mpeg1video", "mpeg2video", "mpeg4")


def latest(shown: Array, tick: Fraction, times: Sequence[Fraction]) -> Array:
    """Return the index of the last frame shown by each time.

    Args:
        shown: (N,) display times, increasing, in ticks.
        tick: Length of a tick in seconds.
        times: In seconds from the first frame.
    """
    ticks = np.array([int(shown[0]) + (time + _ROUNDING) // tick for time in times], np.int64)
    return np.maximum(np.searchsorted(shown, ticks, side="right") - 1, 0)


@dataclass(frozen=True)
class Timeline:
    """The frames of a video by their packet numbers, in stored order.

    Args:
        pts: (P,) display times in ticks.
        segment: (P,) number of keyframes up to and including each.
        order: The numbers of the shown frames, in display order.
        end: When the last frame's display ends, in ticks.
        tick: Length of a tick in seconds.
        parts: The numbers of the packets that start an edit or a joined file, without the first.
        joints: The ``pts`` of frames near the joint of two files. FFmpeg takes them for damaged because the
            numbering of their transport packets is not continuous.
    """

    pts: Array
    segment: Array
    order: Array
    end: int
    tick: Fraction
    parts: tuple[int, ...] = ()
    joints: frozenset[int] = frozenset()

    @property
    def seconds(self) -> Fraction:
        """Duration of the video."""
        return (self.end - int(self.pts[self.order[0]])) * self.tick

    def shown_at(self, times: Sequence[Fraction]) -> Array:
        """Return the numbers of the frames shown at these times, in seconds from the first frame."""
        return np.asarray(self.order[latest(self.pts[self.order], self.tick, times)])

    def needed_for(self, wanted: Array) -> Array:
        """Return which packets must be decoded to get the ``wanted`` ones, (P,) bool.

        Each run starts with a keyframe. Frames stored after it and shown before it may need earlier ones; they are
        never among the wanted.
        """
        needed = np.zeros(len(self.pts), bool)
        for number in np.unique(wanted):
            start = np.searchsorted(self.segment, self.segment[number])
            if self.pts[number] < self.pts[start] and start > 0:  # it also depends on frames before that start
                start = np.searchsorted(self.segment, self.segment[start - 1])
            needed[start : number + 1 + _REORDERED] = True
        return needed

    def runs(self, needed: Array) -> dict[int, int]:
        """Return the end of each run of needed packets by its start; no run crosses parts."""
        edges = np.concatenate([[0], self.parts, [len(needed)]]).astype(np.int64)
        begins = needed & ~np.concatenate([[False], needed[:-1]])
        begins[edges[:-1]] = needed[edges[:-1]]
        ends = needed & ~np.concatenate([needed[1:], [False]])
        ends[edges[1:] - 1] = needed[edges[1:] - 1]
        return dict(zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True))


def timeline_of(packets: Packets, codec: str, reorders: bool) -> Timeline | None:
    """Return the display times of the frames; None if only decoding can reveal their order.

    Args:
        packets: The packets of the video.
        codec: FFmpeg's name of the codec.
        reorders: Whether this codec may store frames out of display order.

    Raises:
        UnusableError: ``corrupt`` if no frame is shown.
    """
    pts = _shown(packets, codec, reorders)
    if pts is None:
        return None
    segment = np.cumsum(packets.keys)
    shown = ~packets.hidden & ((segment > 0) | (segment[-1] == 0))
    shown &= pts >= pts[np.argmax(packets.keys)]
    durations = np.where(packets.durations > 0, packets.durations, packets.step)
    parts = _parts(packets, pts)
    pts = _in_sequence(pts, shown, durations, parts, set(packets.restarts.tolist()))
    order = np.flatnonzero(shown)
    if not len(order):
        raise UnusableError("corrupt", "0 frames")
    order = order[np.argsort(pts[order], kind="stable")]
    end = int(pts[order[-1]] + durations[order[-1]])
    near = {number for place in packets.restarts.tolist() for number in range(place - _BEFORE, place + _AFTER)}
    joints = frozenset(int(pts[number]) for number in near if 0 <= number < len(pts))
    return Timeline(pts, segment, order, end, packets.tick, parts, joints)


def _parts(packets: Packets, pts: Array) -> tuple[int, ...]:
    """Return the numbers of the packets that start an edit or a joined file, without the first."""
    keys = np.flatnonzero(packets.keys)
    back = keys[1:][np.diff(pts[keys]) <= 0]
    if packets.told[:, 1].all():
        back = np.union1d(back, np.flatnonzero(np.diff(packets.dts) < 0) + 1)
    return tuple(np.union1d(packets.restarts, back).tolist())


def _in_sequence(pts: Array, shown: Array, durations: Array, parts: Sequence[int], joined: Collection[int]) -> Array:
    """Return ``pts`` shifted so that joined files follow each other and edits do not overlap."""
    pts = pts.copy()
    end: int | None = None
    for start, stop in pairwise([0, *parts, len(pts)]):
        numbers = np.flatnonzero(shown[start:stop]) + start
        if not len(numbers):
            continue
        late = 0 if end is None else end - int(pts[numbers].min())
        pts[start:stop] += late if start in joined else max(0, late)
        end = int((pts[numbers] + durations[numbers]).max())
    return pts


def _shown(packets: Packets, codec: str, reorders: bool) -> Array | None:
    """Return the display time of each packet's frame, in ticks; None if it cannot be known."""
    known, decoded = packets.told.T
    if codec in _MPEG and decoded.all():
        return _by_next_anchor(packets)
    if known.all():
        return packets.pts
    if reorders:
        return None
    return _counted_on(np.where(known, packets.pts, packets.dts), known | decoded, packets.step)


def _by_next_anchor(packets: Packets) -> Array:
    """Return the display times of MPEG-1, 2 or 4 frames: a reference frame is shown when the next one is decoded.

    Times stored in the file take precedence; but FFmpeg may guess a wrong time for the last before a file's end.
    """
    known = packets.told[:, 0]
    anchors = np.flatnonzero(~known | (packets.pts != packets.dts))
    if not len(anchors):
        return packets.pts
    following = np.append(packets.dts[anchors[1:]], packets.dts[-1] + packets.step)
    told = packets.pts[anchors]
    usual = 2 * np.count_nonzero(told == following) >= np.count_nonzero(known[anchors])
    pts = packets.pts.copy()
    guessed = usual & ((told > following) | (anchors == anchors[-1]))
    pts[anchors] = np.where(known[anchors] & ~guessed, told, following)
    return pts


def _counted_on(times: Array, known: Array, step: int) -> Array:
    """Fill in unknown times by counting steps from the last known one."""
    numbers = np.arange(len(times))
    last = np.maximum.accumulate(np.where(known, numbers, -1))
    base = np.where(last >= 0, times[np.maximum(last, 0)], 0)
    return np.asarray(base + (numbers - np.maximum(last, 0)) * step)
