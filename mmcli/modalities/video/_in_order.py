"""Finds display times by decoding all frames, for files that do not store the display order."""

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
    """Frames in display order.

    Args:
        starts: (N,) display times, increasing, in ticks.
        end: When the last frame's display ends, in ticks.
        tick: Length of a tick in seconds.
    """

    starts: Array
    end: int
    tick: Fraction

    @property
    def seconds(self) -> Fraction:
        """Duration of the video."""
        return (self.end - int(self.starts[0])) * self.tick

    def shown_at(self, times: Sequence[Fraction]) -> Array:
        """Return the numbers of the frames shown at these times, in seconds from the first frame."""
        return latest(self.starts, self.tick, times)


def sequence_of(frames: Iterator[Any], packets: Packets, max_frames: int) -> Sequenced:
    """Count frames and return their display times.

    A decoder emits a frame when it is fed the packet at which the frame is due. Frames take the times of these packets;
    those still held by the decoder at the end follow at the same pace.

    Args:
        frames: All frames, decoded.
        packets: The packets of the video.
        max_frames: Maximum number of frames to decode.

    Raises:
        UnusableError: ``corrupt`` if there are no frames, ``skipped`` if there are too many.
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
