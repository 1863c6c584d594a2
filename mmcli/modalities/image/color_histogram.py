"""Colour histograms of the complete image or of each cell of a grid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError
from mmcli.modalities.image._resize import shrink
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Tensor, assemble
from mmcli.store.state import State


class ColorHistogram:
    """Share of an image's pixels by colour, (D,), for each cell of a grid; shares sum to one in each cell.

    Args:
        bins: Bins per channel, 2 to 256.
        space: ``rgb``, or ``hsv``: hue, saturation and value.
        joint: Count colours (``bins`` cubed) instead of each channel separately (three times ``bins``; the three
            together sum to one).
        grid: Cells along each side, so that top and bottom are distinguished.
        root: Take the square root of each share, so that distances are Hellinger's and rare colours count more.
        size: Shrink images to this height and width first; None keeps their size.

    Raises:
        MmcliError: A value is out of range.

    Source: Swain and Ballard 1991, Color Indexing, section 2; the square root: Arandjelović and Zisserman 2012,
    Three things everyone should know to improve object retrieval, section 3.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "whole"

    def __init__(
        self,
        *,
        bins: int = 8,
        space: Literal["rgb", "hsv"] = "hsv",
        joint: bool = True,
        grid: int = 1,
        root: bool = True,
        size: int | None = 64,
    ) -> None:
        if not 2 <= bins <= 256 or grid < 1 or (size is not None and size < grid):
            raise MmcliError(
                f"color_histogram: bins {bins}, grid {grid}, size {size}: "
                "expected 2 to 256 bins, a grid of at least 1 and no finer than the size"
            )
        self.bins = bins
        self.space = space
        self.joint = joint
        self.grid = grid
        self.root = root
        self.size = size

    @property
    def _width(self) -> int:
        return self.bins**3 if self.joint else 3 * self.bins

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return (D,), D = cells × colours.

        Raises:
            MmcliError: The images have fewer pixels than cells along a side.
        """
        if min(spec.main.dims[1:]) < self.grid:
            raise MmcliError(f"color_histogram: grid {self.grid} is finer than images of {spec.main.dims[1:]} pixels")
        return FieldSpec("dense", "float32", (self.grid**2 * self._width,), "D")

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of each image, (B, D)."""
        images = [column.main.item(row) for row in range(len(column))]
        return assemble(self.output(spec), runtime.map(self._describe, images))

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""

    def _describe(self, image: Array) -> Array:
        pixels = shrink(image, self.size)
        if self.space == "hsv":
            pixels = _to_hsv(pixels)
        height, width = pixels.shape[1:]
        down, right = (np.arange(side) * self.grid // side for side in (height, width))
        field = (down[:, None] * self.grid + right) * self._width
        levels = pixels.astype(np.int64) * self.bins // 256
        if self.joint:
            places = field + (levels[0] * self.bins + levels[1]) * self.bins + levels[2]
        else:
            places = field + levels + np.arange(3)[:, None, None] * self.bins
        counts = np.bincount(places.ravel(), minlength=self.grid**2 * self._width).reshape(self.grid**2, -1)
        shares = counts / counts.sum(axis=1, keepdims=True)
        return np.asarray(np.sqrt(shares) if self.root else shares, np.float32).reshape(-1)


def _to_hsv(pixels: Array) -> Array:
    """Return hue, saturation and value, (3, H, W), each from 0 to 255."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return np.asarray(picture.convert("HSV")).transpose(2, 0, 1)
