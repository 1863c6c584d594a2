"""Metrics of classes in draws of rows, for their intervals; N rows, K classes, D draws."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmcli.tasks._class_metrics import calibration_gaps, class_scores

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
_RANKED = 20_000_000
"""Values to rank in all draws at most: of more rows and classes fewer draws are ranked."""


def draws_of_classes(
    probabilities: Floats,
    predicted: Indexes,
    encoded: Indexes,
    counts: NDArray[np.int64],
    top_k: int = 0,
    positive: int = 1,
) -> dict[str, Floats]:
    """Return what ``class_metrics`` measures in draws that have each row as often as ``counts`` say, (D,) each.

    NaN stands where a draw leaves a metric undefined. Rankings (``roc_auc``, ``average_precision``) of many rows are
    those of the first draws alone.

    Args:
        probabilities: (N, K).
        predicted: The index of the class decided for each row, (N,).
        encoded: The index of the class of each row, (N,); from K on where no train row has it.
        counts: (D, N).
        top_k: As in ``class_metrics``.
        positive: As in ``class_metrics``.
    """
    classes = probabilities.shape[1]
    weights = counts.astype(np.float64)
    total = weights.sum(axis=1)
    width = int(max(classes - 1, encoded.max(), predicted.max())) + 1
    right = predicted == encoded
    support, chosen = _of_each(weights, encoded, width), _of_each(weights, predicted, width)
    hits = _of_each(weights[:, right], encoded[right], width)
    recall, precision = _ratio(hits, support, 0.0), _ratio(hits, chosen, 0.0)
    f1 = _ratio(2 * hits, support + chosen, 0.0)
    there = ((support + chosen) > 0).sum(axis=1)
    found = {"accuracy": hits.sum(axis=1) / total, "balanced_accuracy": recall.sum(axis=1) / (support > 0).sum(axis=1)}
    for name, each in {"precision": precision, "recall": recall, "f1": f1}.items():
        found[f"macro_{name}"] = each.sum(axis=1) / there
        found[f"micro_{name}"] = found["accuracy"]
        found[f"weighted_{name}"] = (each * support).sum(axis=1) / total
        if classes == 2:
            found[name] = each[:, positive]
    gaps = calibration_gaps(probabilities.max(axis=1), probabilities.argmax(axis=1) == encoded)
    found["ece"] = np.abs(_of_each(weights * gaps.values, gaps.bins, gaps.count)).sum(axis=1) / total
    of_rows = class_scores(probabilities, predicted, encoded, top_k)
    found |= {name: weights @ scores / total for name, scores in of_rows.items() if name not in found}
    seen = encoded < classes
    if not seen.all() and seen.any():
        own = class_scores(probabilities[seen], predicted[seen], encoded[seen])["log_loss"]
        found["log_loss"] = _ratio(weights[:, seen] @ own, weights[:, seen].sum(axis=1), np.nan)
    ranked = max(1, min(len(counts), len(counts) * _RANKED // max(1, counts.size * classes)))
    looked_at = [positive] if classes == 2 else range(classes)
    for name, values in _rankings(probabilities[seen], encoded[seen], weights[:ranked, seen], looked_at).items():
        found[name] = np.concatenate([values, np.full(len(counts) - ranked, np.nan)])
    return found


def _of_each(weights: Floats, indexes: Indexes, width: int) -> Floats:
    """Return the weight of the rows of each index in each draw, (D, width)."""
    rows = np.arange(len(indexes))
    picked = sparse.csr_matrix((np.ones(len(indexes)), (rows, indexes)), shape=(len(indexes), width))
    found: Floats = np.asarray((picked.T @ weights.T).T)
    return found


def _rankings(probabilities: Floats, encoded: Indexes, weights: Floats, classes: Iterable[int]) -> dict[str, Floats]:
    """Return both rankings, each the mean over the classes that some rows of a draw have and others do not."""
    areas, precisions = np.zeros((2, len(weights)))
    defined = np.zeros(len(weights))
    for k in classes:
        own = encoded == k
        if not own.any() or own.all():
            continue
        area, precision = _ranking(probabilities[:, k], own, weights)
        there = np.isfinite(area)
        defined += there
        areas += np.where(there, area, 0.0)
        precisions += np.where(there, precision, 0.0)
    if not defined.any():
        return {}
    return {"roc_auc": _ratio(areas, defined, np.nan), "average_precision": _ratio(precisions, defined, np.nan)}


def _ranking(scores: Floats, own: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Return the area under the ROC curve and the average precision of each draw, (D,); NaN where undefined.

    Rows of one score are one step of both curves, as in scikit-learn.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
    hits = np.add.reduceat(weights[:, order] * own[order], starts, axis=1)
    misses = np.add.reduceat(weights[:, order] * ~own[order], starts, axis=1)
    above, wrong = hits.cumsum(axis=1), misses.cumsum(axis=1)
    pairs = above[:, -1] * wrong[:, -1]
    # A miss lies below the hits of the steps before it, and beside those of its own.
    area = _ratio((misses * (above - hits / 2)).sum(axis=1), pairs, np.nan)
    precision = _ratio((hits * _ratio(above, above + wrong, 0.0)).sum(axis=1), above[:, -1], np.nan)
    return area, np.where(pairs > 0, precision, np.nan)


def _ratio(parts: Floats, wholes: Floats | NDArray[np.int64], otherwise: float) -> Floats:
    found: Floats = np.divide(parts, wholes, out=np.full(parts.shape, otherwise), where=wholes > 0)
    return found
