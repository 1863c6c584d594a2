"""Histograms of oriented gradients, which capture outlines and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError
from mmcli.modalities.image._resize import shrink
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Tensor, assemble
from mmcli.store.state import State

_EPSILON = 1e-5
_CLIP = 0.2


class Hog:
    """Histograms of oriented gradients of RGB images, (D,).

    Each pixel votes with the gradient of its channel with the largest gradient, weighted by magnitude. Histograms
    of neighbouring cells are normalised together in overlapping blocks (L2-Hys).

    Args:
        cells: Cells along each side; left-over pixels at the edges are cropped.
        orientations: Number of bins over the half circle.
        block: Cells along each side of a block, at most ``cells``.
        size: Shrink images to this height and width first, so that enlarged small images are not dominated by
            blur; None keeps their size.

    Raises:
        MmcliError: A value is out of range.

    Source: Dalal and Triggs 2005, Histograms of Oriented Gradients for Human Detection, section 6.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "whole"

    def __init__(self, *, cells: int = 8, orientations: int = 9, block: int = 2, size: int | None = 64) -> None:
        if orientations < 1 or not 1 <= block <= cells:
            raise MmcliError(
                f"hog: cells {cells}, orientations {orientations}, block {block}: "
                "expected at least 1, and a block of no more cells than there are"
            )
        if size is not None and size < cells:
            raise MmcliError(f"hog: size {size} is less than a pixel for each of {cells} cells")
        self.cells = cells
        self.orientations = orientations
        self.block = block
        self.size = size

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return (D,), D = blocks × cells per block × orientations.

        Raises:
            MmcliError: The images have fewer pixels than cells along a side.
        """
        if min(spec.main.dims[1:]) < self.cells:
            raise MmcliError(
                f"hog: {self.cells} cells need images of at least as many pixels, not {spec.main.dims[1:]}"
            )
        blocks = self.cells - self.block + 1
        return FieldSpec("dense", "float32", ((blocks * self.block) ** 2 * self.orientations,), "D")

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
        pixels = _centre(shrink(image, self.size), self.cells).astype(np.int16)
        histograms = self._histograms(*_largest_gradient(pixels))
        blocks = np.lib.stride_tricks.sliding_window_view(histograms, (self.block, self.block), axis=(0, 1))
        vectors = np.moveaxis(blocks, 2, 4).reshape(*blocks.shape[:2], -1)
        vectors = np.minimum(_normalise(vectors), np.float32(_CLIP))
        return np.asarray(_normalise(vectors).reshape(-1), np.float32)

    def _histograms(self, vertical: Array, horizontal: Array) -> Array:
        """Return the mean gradient magnitude by cell and orientation, (cells, cells, orientations)."""
        # In double precision and degrees, because many angles of integer gradients lie on a bin edge.
        angle = np.degrees(np.arctan2(vertical, horizontal)) % 180
        bins = np.minimum((angle / (180 / self.orientations)).astype(np.int64), self.orientations - 1)
        rows = np.arange(len(vertical)) // (len(vertical) // self.cells)
        places = np.arange(vertical.shape[1]) // (vertical.shape[1] // self.cells)
        cell = (rows[:, None] * self.cells + places) * self.orientations
        length = np.hypot(vertical, horizontal)
        count = self.cells**2 * self.orientations
        sums = np.bincount((cell + bins).ravel(), weights=length.ravel(), minlength=count)
        means = sums * (self.cells**2 / length.size)
        return means.reshape(self.cells, self.cells, self.orientations).astype(np.float32)


def _centre(image: Array, cells: int) -> Array:
    """Crop height and width to multiples of ``cells``, half at each edge."""
    height, width = image.shape[1:]
    top, left = height % cells // 2, width % cells // 2
    return image[:, top : top + height // cells * cells, left : left + width // cells * cells]


def _largest_gradient(pixels: Array) -> tuple[Array, Array]:
    """Return the vertical and horizontal gradient (H, W) of each pixel's channel with the largest gradient."""
    vertical, horizontal = np.zeros_like(pixels), np.zeros_like(pixels)
    vertical[:, 1:-1] = pixels[:, 2:] - pixels[:, :-2]
    horizontal[:, :, 1:-1] = pixels[:, :, 2:] - pixels[:, :, :-2]
    length = vertical.astype(np.int32) ** 2 + horizontal.astype(np.int32) ** 2
    channel = length.argmax(axis=0)[None]
    return (
        np.take_along_axis(vertical, channel, 0)[0].astype(np.float64),
        np.take_along_axis(horizontal, channel, 0)[0].astype(np.float64),
    )


def _normalise(vectors: Array) -> Array:
    return np.asarray(vectors / np.sqrt((vectors**2).sum(axis=-1, keepdims=True) + np.float32(_EPSILON**2)))
