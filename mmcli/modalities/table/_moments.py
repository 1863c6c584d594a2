"""Means and standard deviations of columns from blocks of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Moments:
    """Counts, means and sums of squared deviations, updated block by block.

    A block's deviations are relative to its first value, so that those of a constant column are exactly 0.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Args:
        width: Number of columns.
    """

    def __init__(self, width: int) -> None:
        self.count = np.zeros(width)
        self.mean = np.zeros(width)
        self.squares = np.zeros(width)

    def add(self, block: NDArray[np.float64]) -> None:
        """Add a block (N, width); NaN is a missing value."""
        there = ~np.isnan(block)
        count = there.sum(axis=0)
        if not count.any():
            return
        first = block[np.argmax(there, axis=0), np.arange(block.shape[1])]
        first = np.where(count > 0, first, 0.0)
        shifted = np.where(there, block - first, 0.0)
        shift = shifted.sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(there, shifted - shift, 0.0) ** 2).sum(axis=0)
        mean, whole = first + shift, self.count + count
        safe = np.maximum(whole, 1)
        delta = np.where(self.count > 0, mean - self.mean, 0.0)
        self.squares += squares + delta**2 * self.count * count / safe
        self.mean = np.where(self.count > 0, self.mean + delta * count / safe, np.where(count > 0, mean, 0.0))
        self.count = whole

    def deviation(self) -> NDArray[np.float64]:
        """Return the standard deviations (width,); 1 for a constant column."""
        deviation = np.sqrt(self.squares / np.maximum(self.count, 1))
        return np.where(deviation > 0, deviation, 1.0)
