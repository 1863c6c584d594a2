"""Maps of the rows: their features in two dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmcli.inference.kept_rows import KeptRows
from mmcli.reports.facts.parts import Part
from mmcli.store.columns import Array

_LEAST = 8
_COMPONENTS = 50
_ITERATIONS = 500
_DIGITS = 3


def maps_of(kept: KeptRows, methods: Sequence[str], part: Part, seed: int) -> dict[str, Any] | None:
    """Return the coordinates of the sampled rows by method, each scaled to -1 … 1, with their targets and answers.

    None if fewer than 8 of the rows differ: t-SNE cannot place equal points.

    Args:
        kept: Holds the features.
        methods: ``pca``, ``tsne`` or ``umap``.
        part: The target that colours the map.
        seed: Of t-SNE and UMAP.

    Source: van der Maaten and Hinton 2008, Visualizing Data using t-SNE; McInnes et al. 2018, UMAP.
    """
    rows, features = kept.features()
    place = {row: number for number, row in enumerate(part.rows.tolist())}
    chosen = [number for number, row in enumerate(rows.tolist()) if row in place]
    if not methods:
        return None
    rows, features = rows[chosen], np.nan_to_num(features[chosen].astype(np.float64))
    if _distinct(features) < _LEAST:
        return None
    reduced = _reduced(features)
    answers = [part.answers[place[row]] for row in rows.tolist()]
    return {
        "target": part.name, "rows": rows.tolist(), "of": len(part),
        "methods": {name: _scaled(_METHODS[name](reduced, seed)) for name in methods},
        "true": [_told(target) for _, target in answers],
        "predicted": [_told(next((answer[key] for key in _SHOWN if key in answer), None)) for answer, _ in answers],
    }  # fmt: skip


_SHOWN = ("label", "value", "labels", "cluster", "caption")


def _told(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _distinct(features: Array) -> int:
    """Return how many rows differ by more than rounding errors."""
    largest = float(np.abs(features).max(initial=0)) or 1.0
    return len(np.unique((features / largest).round(5), axis=0))


def _reduced(features: Array) -> Array:
    """Return the first principal components, (S, at most 50)."""
    from sklearn.decomposition import PCA

    wanted = min(_COMPONENTS, *features.shape)
    found: Array = PCA(wanted, svd_solver="full" if min(features.shape) < 500 else "covariance_eigh").fit_transform(
        features
    )
    return found if wanted > 1 else np.column_stack([found, np.zeros(len(found))])


def _pca(reduced: Array, seed: int) -> Array:
    del seed
    return reduced[:, :2]


def _tsne(reduced: Array, seed: int) -> Array:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # With several threads the order of its sums, and so the map, would change from run to run.
    with threadpool_limits(1):
        perplexity = min(30.0, (len(reduced) - 1) / 3)
        found: Array = TSNE(
            perplexity=perplexity, init="pca", random_state=seed, max_iter=_ITERATIONS, learning_rate="auto"
        ).fit_transform(reduced.astype(np.float32))
    return found


def _umap(reduced: Array, seed: int) -> Array:
    from umap import UMAP

    neighbours = min(15, len(reduced) - 1)
    found: Array = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(reduced.astype(np.float32))
    return found


_METHODS: dict[str, Callable[[Array, int], Array]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}


def _scaled(points: Array) -> dict[str, list[float]]:
    """Return x and y from -1 to 1, by one scale."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = max(float(np.abs(points - middle).max()), 1e-12)
    scaled = ((points - middle) / reach).round(_DIGITS) + 0.0
    return {"x": scaled[:, 0].tolist(), "y": scaled[:, 1].tolist()}
