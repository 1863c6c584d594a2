"""Chooses the number of clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances, silhouette_score

from mmcli.models.estimators import build_estimator
from mmcli.registry import Spec

MOST = 20
_ROWS = 2000


def choose_clusters(spec: Spec, rows: NDArray[np.float64], seed: int) -> int | None:
    """Return the number of clusters from 2 to 20 with the best silhouette; None if there is none to choose.

    Args:
        spec: The clusterer; the number is chosen if it has ``n_clusters`` and neither that nor
            ``distance_threshold`` is given.
        rows: (N, D); of more than 2,000 rows, 2,000 are sampled.
        seed: Seed of the sample and the clusterer.

    Source: Rousseeuw 1987, Silhouettes: a graphical aid to the interpretation and validation of cluster analysis.
    """
    if "n_clusters" not in build_estimator(spec, "clusters", seed).get_params():
        return None
    if spec.options.keys() & {"n_clusters", "distance_threshold"}:
        return None
    if len(rows) > _ROWS:
        rows = rows[np.sort(np.random.default_rng(seed).choice(len(rows), _ROWS, replace=False))]
    most = min(MOST, len(np.unique(rows, axis=0)) - 1)
    if most < 2:
        return 1
    distances = pairwise_distances(rows)
    scores = {count: _silhouette(spec, rows, distances, seed, count) for count in range(2, most + 1)}
    return max(scores, key=lambda count: (scores[count], -count))


def _silhouette(spec: Spec, rows: NDArray[np.float64], distances: NDArray[np.float64], seed: int, count: int) -> float:
    """Return the silhouette of one run with ``count`` clusters, given the distances (N, N) of rows."""
    made: Any = build_estimator(spec, "clusters", seed, n_clusters=count)
    if "n_init" in made.get_params():
        made.set_params(n_init=1)
    labels = made.fit_predict(rows)
    several = 1 < len(np.unique(labels)) < len(rows)
    return float(silhouette_score(distances, labels, metric="precomputed")) if several else -1.0
