"""Frames whose file does not tell in which order they are shown: counted by decoding them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.video._packets import Packets, pace
from mmcli.modalities.video._timeline import latest
from mmcli.store.columns import Array


@dataclass(frozen=True)
class Sequenced:
    """Frames in the order in which they are shown.

    Args:
        starts: (N,) when each is shown, rising, in ticks.
        end: When the last is shown no more.
        tick: In seconds.
    """

    starts: Array
    end: int
    tick: Fraction

    @property
    def seconds(self) -> Fraction:
        """How long the video is."""
        return (self.end - int(self.starts[0])) * self.tick

    def shown_at(self, times: Sequence[Fraction]) -> Array:
        """Return the numbers of the frames that are shown at times, in seconds from the first frame."""
        return latest(self.starts, self.tick, times)


def sequence_of(frames: Iterator[Any], packets: Packets, max_frames: int) -> Sequenced:
    """Count frames and return when each is shown.

    A decoder gives a frame out when it is fed the packet with which its time has come. Their times are those of these
    packets, and go on at the same pace for the frames that it still holds at the end.

    Args:
        frames: All of them, decoded.
        packets: Of the video.
        max_frames: That may be decoded.

    Raises:
        UnusableError: ``corrupt`` where there are none, ``skipped`` where there are more than allowed.
    """
    if len(packets) > max_frames:
        raise UnusableError("skipped", f"more than {max_frames} frames to decode: --max-decode-frames")
    given: list[int | None] = [frame.dts for frame in frames]
    if not given:
        raise UnusableError("corrupt", "0 frames")
    told = packets.told[:, 1].all()
    step = pace(np.diff(packets.dts) if told else packets.durations) or packets.step
    if not told:
        return Sequenced(np.arange(len(given)) * step, len(given) * step, packets.tick)
    starts: list[int] = []
    for time in given:
        least = starts[-1] + (1 if time is not None else step) if starts else int(packets.dts[0])
        starts.append(least if time is None else max(time, least))
    return Sequenced(np.array(starts, np.int64), starts[-1] + step, packets.tick)
