"""Checks the arrays of estimators read from a file, because compiled code indexes them unchecked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_sound(estimator: Any, width: int) -> bool:
    """Return whether all indexes of an estimator of rows of this width are in bounds, and its trees have no cycles.

    Trees, support vectors, centres and train rows are checked; an estimator without any of them is sound.
    """
    if getattr(estimator, "n_features_in_", None) != width or getattr(estimator, "n_jobs", None) is not None:
        return False
    checks = {
        "estimators_": _sound_forest, "_predictors": _sound_boosting, "support_vectors_": _sound_supports,
        "cluster_centers_": _sound_centres, "_fit_X": _sound_neighbours,
    }  # fmt: skip
    return all(check(estimator, width) for name, check in checks.items() if name in vars(estimator))


def _sound_forest(forest: Any, width: int) -> bool:
    trees = [part.tree_ for part in forest.estimators_]
    return all(
        _sound_tree(tree.children_left, tree.children_right, tree.feature, tree.children_left < 0, width)
        for tree in trees
    )


def _sound_boosting(boosting: Any, width: int) -> bool:
    every = [predictor.nodes for stage in boosting._predictors for predictor in stage]
    return all(
        not nodes["is_categorical"].any()
        and _sound_tree(nodes["left"], nodes["right"], nodes["feature_idx"], nodes["is_leaf"].astype(bool), width)
        for nodes in every
    )


def _sound_tree(left: NDArray[Any], right: NDArray[Any], feature: NDArray[Any], leaf: NDArray[Any], width: int) -> bool:
    """Return whether inner nodes point to later, existing nodes, so that every path ends."""
    inner = np.flatnonzero(~leaf)
    ways = np.stack([left[inner], right[inner]]).astype(np.int64)
    looked = feature[inner].astype(np.int64)
    inside = (ways > inner) & (ways < len(leaf))
    return len(leaf) > 0 and bool(inside.all()) and bool(((looked >= 0) & (looked < width)).all())


def _sound_supports(machine: Any, width: int) -> bool:
    counts = machine._n_support  # by class; for numbers, twice the same
    classifies = hasattr(machine, "classes_")
    classes, count = len(counts), int(counts.sum() if classifies else counts[0])
    return bool(
        counts.min() >= 0
        and (len(machine.classes_) == classes if classifies else counts.tolist() == [count, count])
        and machine.support_vectors_.shape == (count, width)
        and machine.support_.shape == (count,)
        and machine._dual_coef_.shape == (classes - 1, count)
        and machine._intercept_.shape == (classes * (classes - 1) // 2,)
        and not machine._sparse
        and "_impl" not in vars(machine)
        and machine.kernel in ("linear", "poly", "rbf", "sigmoid")
    )


def _sound_centres(means: Any, width: int) -> bool:
    return bool(means.cluster_centers_.shape == (means.n_clusters, width) and means._n_threads == 1)


def _sound_neighbours(nearest: Any, width: int) -> bool:
    rows = nearest._fit_X
    return bool(nearest._fit_method == "brute" and rows.ndim == 2 and rows.shape[1] == width == nearest.n_features_in_)
