"""Reads video files into RGB frames of one size, chosen by display time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil, isfinite
from typing import Any, ClassVar

import numpy as np

from mmcli.errors import MmcliError
from mmcli.modalities import Media
from mmcli.modalities.files import read_cell
from mmcli.modalities.pictures import Resize, background_colour, fit, flatten
from mmcli.modalities.video._decode import pictures
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

_FRAMES = 8
_MOST_FRAMES = 64
_FINEST = 10**6


class Preprocessor:
    """RGB frames of one size, (T, C, H, W) uint8, at evenly spaced times.

    Args:
        columns: The column whose cells name video files.
        frames: Number of frames, taken at the centres of as many equal parts of the clip; a clip with fewer pictures
            repeats them. With ``fps``, the maximum number of frames. None is 8, or 64 with ``fps``.
        fps: Frames per second, from the first frame on.
        clip_seconds: Use only the first seconds of each video; None uses all.
        size: Height and width of a frame in pixels.
        resize: ``crop`` scales the shorter side to ``size`` and keeps the centre, ``pad`` scales the longer side
            and fills with the background, ``stretch`` scales both.
        background: Colour behind transparent pixels and around padded frames: a name or ``#rrggbb``.
        max_pixels: Videos with more pixels per frame are skipped before decoding.
        max_decode_frames: Videos are skipped if more frames than this would have to be decoded to reach the chosen
            ones; most frames can only be decoded after others.

    Raises:
        MmcliError: A number is not positive, or the background is not a colour.
    """

    version: ClassVar[int] = 2
    fitted: ClassVar[bool] = False
    threaded: ClassVar[bool] = True

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        frames: int | None = None,
        fps: float | None = None,
        clip_seconds: float | None = None,
        size: int = 224,
        resize: Resize = "crop",
        background: str = "white",
        max_pixels: int = 178_956_970,
        max_decode_frames: int = 10_000,
    ) -> None:
        if min(size, max_pixels, max_decode_frames, 1 if frames is None else frames) < 1:
            raise MmcliError(
                f"image size {size}, --max-pixels {max_pixels}, --max-decode-frames {max_decode_frames} "
                f"and --frames {frames} must be at least 1"
            )
        for option, value in (("--fps", fps), ("--clip-seconds", clip_seconds)):
            if value is not None and not (isfinite(value) and value >= 1e-3):
                raise MmcliError(f"{option} {value}: expected 0.001 or more")
        self._fill = background_colour(background)
        self.columns = columns
        self.frames = frames
        self.fps = fps
        self.clip_seconds = clip_seconds
        self.size = size
        self.resize = resize
        self.background = background
        self.max_pixels = max_pixels
        self.max_decode_frames = max_decode_frames

    @property
    def _bound(self) -> int:
        return self.frames or (_FRAMES if self.fps is None else _MOST_FRAMES)

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the file's bytes; None if the cell is empty."""
        return read_cell(row, self.columns[0], media)

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the frames as (T, 3, H, W) uint8.

        Raises:
            UnusableError: ``corrupt`` if it is not a video, damaged, or shorter than its header says; ``skipped``
                if it is over a limit.
        """
        found = pictures(content, self._times, self.max_pixels, self.max_decode_frames)
        frames = [flatten(fit(picture, self.size, self.resize, self._fill), self._fill) for picture in found]
        return {"": np.ascontiguousarray(np.stack([np.asarray(frame) for frame in frames]).transpose(0, 3, 1, 2))}

    def _times(self, seconds: Fraction) -> list[Fraction]:
        """Return the times of the chosen frames, in seconds from the start, for a video of this duration."""
        if self.clip_seconds is not None:
            seconds = min(seconds, _exact(self.clip_seconds))
        if self.fps is None:
            return [seconds * (2 * part + 1) / (2 * self._bound) for part in range(self._bound)]
        rate = _exact(self.fps)
        return [number / rate for number in range(min(self._bound, max(1, ceil(seconds * rate))))]

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn nothing."""

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the frames."""
        return {"": FieldSpec("ragged", "uint8", (3, self.size, self.size), "TCHW", self._bound)}

    def facts(self) -> dict[str, Any]:
        """Return ``size`` as [H, W], and ``fps`` or ``frames``."""
        chosen = {"frames": self._bound} if self.fps is None else {"fps": self.fps}
        return {"size": [self.size, self.size], **chosen}

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "columns": list(self.columns), "frames": self.frames, "fps": self.fps, "clip_seconds": self.clip_seconds,
            "size": self.size, "resize": self.resize, "background": self.background,
            "max_pixels": self.max_pixels, "max_decode_frames": self.max_decode_frames,
        }  # fmt: skip

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""


def _exact(value: float) -> Fraction:
    """Return the exact decimal fraction: 29.97 is 2997/100."""
    return Fraction(value).limit_denominator(_FINEST)
