"""When each frame of a video is shown, told by its packets without decoding any."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.video._packets import Packets
from mmcli.store.columns import Array

_ROUNDING = Fraction(1, 1000)  # some containers round to milliseconds when a frame is shown
_REORDERED = 32  # frames at most that are stored before another and shown after it
_BEFORE, _AFTER = 4, 2
_MPEG = ("mpeg1video", "mpeg2video", "mpeg4")


def latest(shown: Array, tick: Fraction, times: Sequence[Fraction]) -> Array:
    """Return the place of the last frame that is shown by each time, in seconds from the first frame.

    Args:
        shown: (N,) when each frame is shown, rising, in ticks.
        tick: In seconds.
        times: In seconds.
    """
    ticks = np.array([int(shown[0]) + (time + _ROUNDING) // tick for time in times], np.int64)
    return np.maximum(np.searchsorted(shown, ticks, side="right") - 1, 0)


@dataclass(frozen=True)
class Timeline:
    """The frames of a video by the numbers of their packets, as stored.

    Args:
        pts: (P,) when each is shown, in ticks.
        segment: (P,) how many frames up to it need no other to be decoded.
        order: The numbers of the frames that are shown, in the order of time.
        end: When the last is shown no more, in ticks.
        tick: In seconds.
        parts: The numbers of the packets with which edits and joined files begin, but for the first.
        joints: The ``pts`` of frames near where a file was joined to another. They seem damaged to FFmpeg, as the
            numbers of what carries them do not go on.
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
        """How long the video is."""
        return (self.end - int(self.pts[self.order[0]])) * self.tick

    def shown_at(self, times: Sequence[Fraction]) -> Array:
        """Return the numbers of the frames that are shown at times, in seconds from the first frame."""
        return np.asarray(self.order[latest(self.pts[self.order], self.tick, times)])

    def needed_for(self, wanted: Array) -> Array:
        """Tell which packets must be decoded so that the ``wanted`` ones can be, (P,) bool.

        Each run of them begins with a frame that needs no other. Frames that are stored after that one and shown
        before it may need others: they are not among the wanted.
        """
        needed = np.zeros(len(self.pts), bool)
        for number in np.unique(wanted):
            start = np.searchsorted(self.segment, self.segment[number])
            if self.pts[number] < self.pts[start] and start > 0:  # it also leans on what is before that start
                start = np.searchsorted(self.segment, self.segment[start - 1])
            needed[start : number + 1 + _REORDERED] = True
        return needed

    def runs(self, needed: Array) -> dict[int, int]:
        """Return where each run of needed packets ends, by where it begins; none goes on from one part to another."""
        edges = np.concatenate([[0], self.parts, [len(needed)]]).astype(np.int64)
        begins = needed & ~np.concatenate([[False], needed[:-1]])
        begins[edges[:-1]] = needed[edges[:-1]]
        ends = needed & ~np.concatenate([needed[1:], [False]])
        ends[edges[1:] - 1] = needed[edges[1:] - 1]
        return dict(zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True))


def timeline_of(packets: Packets, codec: str, reorders: bool) -> Timeline | None:
    """Return when the frames are shown; None where only decoding them can tell in which order they are.

    Args:
        packets: Of the video.
        codec: FFmpeg's name.
        reorders: Whether frames of this codec may be stored in an order that is not that of time.

    Raises:
        UnusableError: ``corrupt`` where no frame is shown.
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
    """Return the numbers of the packets with which an edit or a joined file begins, of each but the first."""
    keys = np.flatnonzero(packets.keys)
    back = keys[1:][np.diff(pts[keys]) <= 0]
    if packets.told[:, 1].all():
        back = np.union1d(back, np.flatnonzero(np.diff(packets.dts) < 0) + 1)
    return tuple(np.union1d(packets.restarts, back).tolist())


def _in_sequence(pts: Array, shown: Array, durations: Array, parts: Sequence[int], joined: Collection[int]) -> Array:
    """Return ``pts`` in which joined files follow one another, and no edit begins before the one before it ends."""
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
    """Return when each packet's frame is shown, in ticks, where that can be known."""
    known, decoded = packets.told.T
    if codec in _MPEG and decoded.all():
        return _by_next_anchor(packets)
    if known.all():
        return packets.pts
    if reorders:
        return None
    return _counted_on(np.where(known, packets.pts, packets.dts), known | decoded, packets.step)


def _by_next_anchor(packets: Packets) -> Array:
    """Return when frames of MPEG-1, 2 or 4 are shown: ones that others lean on when the next such one is decoded.

    Where packets are told when, that counts; but FFmpeg may guess a wrong time for the last before a file's end.
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
    """Return times of which unknown ones follow the last known one step by step."""
    numbers = np.arange(len(times))
    last = np.maximum.accumulate(np.where(known, numbers, -1))
    base = np.where(last >= 0, times[np.maximum(last, 0)], 0)
    return np.asarray(base + (numbers - np.maximum(last, 0)) * step)
