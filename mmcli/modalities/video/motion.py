"""Amount of change between frames, overall and per grid cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Tensor, assemble
from mmcli.store.state import State

_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)


class Motion:
    """Statistics of the differences between consecutive frames: (D,), or (T, D) with one row per step.

    Frames are converted to grey and shrunk. Each step gives the mean and standard deviation of the absolute
    differences, over the whole picture and in each cell of a grid. A video of one frame has one step without change.

    Args:
        grid: Cells along each side.
        size: Shrink frames to this height and width first, so that noise and single pixels count less; None keeps
            their size.
        pool: ``stats`` gives mean, standard deviation and maximum over time; ``none`` keeps every step.

    Raises:
        MmcliError: A value is out of range.

    Source: Jain and Nagel 1979, On the Analysis of Accumulative Difference Pictures from Image Sequences of Real
    World Scenes, section II, for the differences.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(self, *, grid: int = 4, size: int | None = 64, pool: Literal["none", "stats"] = "stats") -> None:
        if grid < 1 or (size is not None and size < grid):
            raise MmcliError(f"motion: grid {grid}, size {size}: expected a grid of at least 1, no finer than the size")
        self.grid = grid
        self.size = size
        self.pool = pool

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return (D,), or (T, D) with one step fewer than frames; D = 2 × (1 + cells), × 3 when pooled.

        Raises:
            MmcliError: The frames have fewer pixels than cells along a side.
        """
        if min(spec.main.dims[1:]) < self.grid:
            raise MmcliError(f"motion: grid {self.grid} is finer than frames of {spec.main.dims[1:]} pixels")
        width = 2 * (1 + self.grid**2)
        if self.pool == "stats":
            return FieldSpec("dense", "float32", (3 * width,), "D")
        return FieldSpec("ragged", "float32", (width,), "TD", spec.main.bound and max(1, spec.main.bound - 1))

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of each video.

        Raises:
            MmcliError: A video has no frames.
        """
        videos = [column.main.item(row) for row in range(len(column))]
        return assemble(self.output(spec), runtime.map(self._describe, videos))

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""

    def _describe(self, frames: Array) -> Array:
        if not len(frames):
            raise MmcliError("a video of 0 frames has no features")
        grey = np.stack([self._grey(frame) for frame in frames])
        changes = np.abs(np.diff(grey, axis=0)) if len(grey) > 1 else np.zeros_like(grey)
        steps = np.stack([self._statistics(change) for change in changes])
        if self.pool == "none":
            return steps.astype(np.float32)
        return np.concatenate([steps.mean(axis=0), steps.std(axis=0), steps.max(axis=0)]).astype(np.float32)

    def _grey(self, frame: Array) -> Array:
        """Return the brightness from 0 to 1, (H, W), shrunk by averaging."""
        from PIL import Image

        red, green, blue = frame.astype(np.float32) / 255
        grey = _RED * red + _GREEN * green + _BLUE * blue
        if self.size is None or min(grey.shape) <= self.size:
            return np.asarray(grey)
        return np.asarray(Image.fromarray(grey).resize((self.size, self.size), Image.Resampling.BOX))

    def _statistics(self, change: Array) -> Array:
        """Return means, then standard deviations, of the whole picture and then of each cell, row by row."""
        fields = [part for row in np.array_split(change, self.grid) for part in np.array_split(row, self.grid, axis=1)]
        parts = [part.astype(np.float64) for part in (change, *fields)]
        return np.array([part.mean() for part in parts] + [part.std() for part in parts])
