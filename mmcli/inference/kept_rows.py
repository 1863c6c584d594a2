"""Keeps what a page shows of measured rows besides their predictions: the raw rows, and features of some of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from mmcli.modalities import Media
from mmcli.store.columns import Array, Row
from mmcli.store.rows import SpooledRows

if TYPE_CHECKING:
    from mmcli.inference.inputs import Asked
    from mmcli.inference.model import TrainedModel, Vectors

MOST_FEATURES = 2000
"""Rows whose features are kept."""
_WIDEST, _WIDTH = 512, 256


class KeptRows:
    """Raw rows in a temporary file, and the features of a random sample of them, whatever the number of rows.

    Features of more than 512 columns are projected to 256 random directions, which keeps distances.

    Args:
        model: The model that measures the rows.
        keep: The source modalities that it uses; () means all.
        seed: Of the sample and the directions.

    Source: Johnson and Lindenstrauss 1984, for the projection.
    """

    def __init__(self, model: TrainedModel, keep: Collection[str], seed: int) -> None:
        self.rows = SpooledRows()
        self.media: Media | None = None
        self._model, self._keep = model, keep
        self._random = np.random.default_rng([seed, 0])
        self._seed = seed
        self._count = 0
        self._chosen: dict[int, tuple[float, Array]] = {}
        self._bound = 1.0
        self._directions: Array | None = None

    def add(self, asked: Asked, vectors: Vectors) -> None:
        """Keep rows, in order; ``vectors`` are the fusion's inputs for them."""
        self.media = self.media or asked.media
        for row in asked.batch.rows:
            self.rows.append(row)
        drawn = self._random.random(len(asked.ids))
        places = np.flatnonzero(drawn < self._bound)
        features = self._model.fused(vectors, places, self._keep or None) if len(places) else None
        if features is not None:
            for place, own in zip(places.tolist(), self._narrowed(features), strict=True):
                self._chosen[self._count + place] = (float(drawn[place]), own)
        self._count += len(asked.ids)
        if len(self._chosen) > MOST_FEATURES:
            order = sorted(self._chosen, key=lambda row: self._chosen[row][0])
            self._chosen = {row: self._chosen[row] for row in order[:MOST_FEATURES]}
            self._bound = self._chosen[order[MOST_FEATURES - 1]][0]

    def row(self, number: int) -> Row:
        """Return a raw row."""
        return self.rows.close().take([number])[0]

    def features(self) -> tuple[Array, Array]:
        """Return the numbers of the sampled rows, (S,), in order, and their features, (S, D)."""
        rows = sorted(self._chosen)
        if not rows:
            return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
        return np.array(rows, np.int64), np.stack([self._chosen[row][1] for row in rows])

    def _narrowed(self, features: Array) -> Array:
        if features.shape[1] <= _WIDEST:
            return features
        if self._directions is None:
            drawn = np.random.default_rng([self._seed, 1]).standard_normal((features.shape[1], _WIDTH), np.float32)
            self._directions = drawn / np.float32(_WIDTH**0.5)
        return np.asarray(features @ self._directions, np.float32)
