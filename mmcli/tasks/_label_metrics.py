"""Multilabel metrics; N rows, K labels, D draws of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmcli.tasks._class_metrics import calibration_gaps

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_MOST = 200_000


def label_metrics(probabilities: Floats, predicted: Bools, truth: Bools) -> dict[str, float]:
    """Return the metrics of rows (N, K) by name, without undefined ones."""
    every = np.ones((1, len(truth)), np.int64)
    found = draws_of_labels(probabilities, predicted, truth, every)
    return {name: float(values[0]) for name, values in found.items() if np.isfinite(values[0])}


def label_scores(probabilities: Floats, predicted: Bools, truth: Bools) -> dict[str, Floats]:
    """Return one number per row, (N,), for each metric that is the mean of such numbers."""
    both, either = (predicted & truth).sum(axis=1), predicted.sum(axis=1) + truth.sum(axis=1)
    wrong = (predicted != truth).mean(axis=1)
    return {
        "samples_f1": np.divide(2 * both, either, out=np.ones(len(truth)), where=either > 0),
        "hamming": wrong,
        "exact": (wrong == 0).astype(np.float64),
        "brier": ((probabilities - truth) ** 2).mean(axis=1),
    }


def by_label(labels: Sequence[str], predicted: Bools, truth: Bools) -> dict[str, dict[str, float]]:
    """Return ``precision``, ``recall``, ``f1`` and ``rows`` of each label by name; 0 if undefined."""
    hits, chosen, support = (part.sum(axis=0).astype(np.float64) for part in (predicted & truth, predicted, truth))
    scores = [np.nan_to_num(values) for values in (_ratio(hits, chosen), _ratio(hits, support))]
    scores.append(np.nan_to_num(_f1(hits, chosen, support)))
    return {
        label: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "rows": int(rows)}
        for label, precision, recall, f1, rows in zip(labels, *scores, support, strict=True)
    }


def draws_of_labels(
    probabilities: Floats, predicted: Bools, truth: Bools, counts: NDArray[np.int64]
) -> dict[str, Floats]:
    """Return the metrics of D draws, (D,) each, in which each row occurs ``counts`` (D, N) times.

    For several draws of many rows and labels ``map`` is left out, because it needs a sum over all rows per label.
    """
    own = counts.astype(np.float64)
    hits, chosen, support = (own @ part.astype(np.float64) for part in (predicted & truth, predicted, truth))
    each = _f1(hits, chosen, support)
    defined = np.isfinite(each)
    sums = [part.sum(axis=1) for part in (hits, chosen, support)]
    found = {} if len(own) > 1 and truth.size > _MOST else {"map": _mean_precision(probabilities, truth, own)}
    found |= {
        "micro_f1": _f1(*sums),
        "micro_precision": _ratio(sums[0], sums[1]),
        "micro_recall": _ratio(sums[0], sums[2]),
        "macro_f1": _ratio(np.where(defined, each, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64)),
    }
    weights = own / own.sum(axis=1, keepdims=True)
    found["ece"] = np.abs(weights @ _gaps_by_bin(probabilities, truth)).sum(axis=1) / truth.shape[1]
    return found | {name: weights @ scores for name, scores in label_scores(probabilities, predicted, truth).items()}


def _gaps_by_bin(probabilities: Floats, truth: Bools) -> Floats:
    """Return by how much each row's probabilities in each bin are too low, summed over its labels, (N, bins)."""
    gaps = calibration_gaps(probabilities, truth)
    return np.stack([np.where(gaps.bins == place, gaps.values, 0.0).sum(axis=1) for place in range(gaps.count)], axis=1)


def best_thresholds(probabilities: Floats, truth: Bools, otherwise: float, least: int) -> Floats:
    """Return each label's threshold with the best F1, (K,); rare labels share the best threshold for all labels.

    A threshold fitted to a handful of rows often assigns the label to most other rows too.

    Args:
        probabilities: (N, K).
        truth: (N, K).
        otherwise: Ties go to the threshold closest to this value; without any label it is the result.
        least: Minimum number of rows with a label for it to have its own threshold.

    Source: Fan and Lin 2007, A Study on Threshold Selection for Multi-label Classification, on rare labels.
    """
    shared = _best_threshold(probabilities.ravel(), truth.ravel(), otherwise)
    own = truth.sum(axis=0) >= least
    return np.array(
        [
            _best_threshold(probabilities[:, place], truth[:, place], shared) if there else shared
            for place, there in enumerate(own)
        ]
    )


def _best_threshold(probabilities: Floats, truth: Bools, otherwise: float) -> float:
    if not truth.any():
        return otherwise
    values = np.unique(probabilities)
    candidates = np.append((values[1:] + values[:-1]) / 2, [values[0] / 2, otherwise])
    order = np.argsort(probabilities)
    first = np.searchsorted(probabilities[order], candidates)
    hits_from = np.append(np.cumsum(truth[order][::-1])[::-1], 0)
    scores = 2 * hits_from[first] / (len(truth) - first + truth.sum())
    best = candidates[scores >= scores.max() - 1e-12]
    return float(best[np.abs(best - otherwise).argmin()])


def _mean_precision(probabilities: Floats, truth: Bools, counts: Floats) -> Floats:
    """Return the mean average precision over labels, (D,), without labels that no row of a draw has.

    Rows of equal probability are ranked together, as in scikit-learn.
    """
    total, defined = np.zeros(len(counts)), np.zeros(len(counts))
    by_row = np.ascontiguousarray(counts.T)
    for place in np.flatnonzero(truth.any(axis=0)):
        order = np.argsort(-probabilities[:, place], kind="stable")
        ends = np.append(np.flatnonzero(np.diff(probabilities[order, place])), len(order) - 1)
        having = np.flatnonzero(truth[order, place])
        end = ends[np.searchsorted(ends, having)]
        seen = np.cumsum(by_row[order], axis=0)[end]
        own = by_row[order[having]]
        hits = np.cumsum(own, axis=0)
        together = hits[np.searchsorted(having, end, side="right") - 1]
        precision = np.divide(together, seen, out=np.zeros_like(seen), where=seen > 0)
        there = hits[-1] > 0
        total += np.divide((own * precision).sum(axis=0), hits[-1], out=np.zeros(len(counts)), where=there)
        defined += there
    return _ratio(total, defined)


def _f1(hits: Floats, chosen: Floats, support: Floats) -> Floats:
    return _ratio(2 * hits, chosen + support)


def _ratio(parts: Floats, wholes: Floats) -> Floats:
    found: Floats = np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
    return found
