"""Ordinal metrics; N rows, K ordered classes, D draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mmcli.errors import MmcliError
from mmcli.tasks._class_metrics import brier_scores, calibration_gaps

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]


SKIPPED_IF_UNSEEN = ("mae", "macro_mae", "quadratic_kappa", "within_1", "spearman", "rps")
"""Metrics that ignore rows whose class has no rank, for which they are undefined; ``accuracy`` counts them as wrong."""


def rank_metrics(probabilities: Floats, predicted: Indexes, encoded: Indexes) -> dict[str, float]:
    """Return the metrics of rows by name, without undefined ones.

    Args:
        probabilities: (N, K).
        predicted: The rank of each row's predicted class, (N,).
        encoded: The rank of each row's true class, (N,); K or more for an unseen class.

    Raises:
        MmcliError: There are no rows.

    Source: Cohen 1968, Weighted Kappa; Baccianella et al. 2009, Evaluation Measures for Ordinal Regression, for
    ``macro_mae``; Epstein 1969, A Scoring System for Probability Forecasts of Ranked Categories, for ``rps``.
    """
    if not len(encoded):
        raise MmcliError("there are no rows to measure")
    every = np.ones((1, len(encoded)), np.int64)
    found = {
        name: float(values[0]) for name, values in draws_of_ranks(probabilities, predicted, encoded, every).items()
    }
    ranked = encoded < probabilities.shape[1]
    said, true = predicted[ranked], encoded[ranked]
    if len(true) and np.ptp(true):
        found["spearman"] = float(spearmanr(said, true).statistic) if np.ptp(said) else 0.0
    return {name: number for name, number in found.items() if np.isfinite(number)}


def rank_scores(probabilities: Floats, predicted: Indexes, encoded: Indexes) -> dict[str, Floats]:
    """Return one number per row, (N,), for each metric that is the mean of such numbers."""
    right = _of_classes(probabilities, predicted, encoded)
    if (encoded >= probabilities.shape[1]).any():
        return right
    return right | _distances(probabilities, predicted, encoded)


def _of_classes(probabilities: Floats, predicted: Indexes, encoded: Indexes) -> dict[str, Floats]:
    """Return the scores that ignore the order, in which an unseen class counts as wrong."""
    return {
        "accuracy": (predicted == encoded).astype(np.float64),
        "brier": brier_scores(probabilities, encoded),
    }


def _distances(probabilities: Floats, predicted: Indexes, encoded: Indexes) -> dict[str, Floats]:
    away = np.abs(predicted - encoded).astype(np.float64)
    counts = np.bincount(encoded, minlength=probabilities.shape[1])
    return {
        "mae": away,
        "within_1": (away <= 1).astype(np.float64),
        "macro_mae": away * len(encoded) / (np.count_nonzero(counts) * counts[encoded]),
        "rps": ranked_probability_scores(probabilities, encoded),
    }


def ranked_probability_scores(probabilities: Floats, encoded: Indexes) -> Floats:
    """Return for each row, (N,), the sum over cuts between ranks of the squared error of the cumulative probability.

    If one class has all the probability, this is the distance in ranks.
    """
    cuts = np.arange(probabilities.shape[1] - 1)
    below = probabilities.cumsum(axis=1)[:, :-1]
    found: Floats = ((below - (encoded[:, None] <= cuts)) ** 2).sum(axis=1)
    return found


def draws_of_ranks(
    probabilities: Floats, predicted: Indexes, encoded: Indexes, counts: NDArray[np.int64]
) -> dict[str, Floats]:
    """Return the metrics based on sums over rows, in draws in which each row occurs ``counts`` (D, N) times.

    ``quadratic_kappa`` is 1 minus the mean squared distance between predicted and true ranks, divided by that of
    independent ranks.
    """
    rows = counts.sum(axis=1)
    found = {name: counts @ own / rows for name, own in _of_classes(probabilities, predicted, encoded).items()}
    gaps = calibration_gaps(probabilities.max(axis=1), probabilities.argmax(axis=1) == encoded)
    found["ece"] = np.abs(counts @ (np.eye(gaps.count)[gaps.bins] * gaps.values[:, None])).sum(axis=1) / rows
    ranked = encoded < probabilities.shape[1]
    if not ranked.all():
        probabilities, predicted, encoded, counts = (
            probabilities[ranked], predicted[ranked], encoded[ranked], counts[:, ranked],
        )  # fmt: skip
    if not len(encoded):
        return found
    # A draw may have no row with a rank: undefined metrics are NaN.
    weights = _ratio(counts.astype(np.float64), counts.sum(axis=1, keepdims=True).astype(np.float64), np.nan)
    scores = _distances(probabilities, predicted, encoded)
    found |= {name: weights @ scores[name] for name in ("mae", "within_1", "rps")}
    own = np.eye(probabilities.shape[1])[encoded]
    of_class, away = weights @ own, weights @ (own * scores["mae"][:, None])
    classes = (of_class > 0).sum(axis=1).astype(np.float64)
    found["macro_mae"] = _ratio(_ratio(away, of_class, 0.0).sum(axis=1), classes, np.nan)
    apart = weights @ (predicted - encoded) ** 2
    by_chance = weights @ predicted**2 + weights @ encoded**2 - 2 * (weights @ predicted) * (weights @ encoded)
    # Rounding makes exact zeros tiny: if all ranks are equal, and at chance level.
    by_chance[by_chance < 1e-9] = 0.0
    kappa = 1 - _ratio(apart, by_chance, np.nan)
    found["quadratic_kappa"] = np.where(np.abs(kappa) < 1e-9, 0.0, kappa)
    return found


def spearman_draws(predicted: NDArray[np.generic], true: NDArray[np.generic], counts: NDArray[np.int64]) -> Floats:
    """Return Spearman's correlation in draws in which each row occurs ``counts`` (D, N) times, (D,).

    Equal values share their mean rank. NaN if all true values of a draw are equal; 0 if all predicted ones are.
    """
    if not len(true):
        return np.full(len(counts), np.nan)
    total = counts.sum(axis=1)
    middle = (total[:, None] + 1) / 2  # the mean of all ranks
    one, other = _mean_ranks(predicted, counts) - middle, _mean_ranks(true, counts) - middle
    both = (counts * one * other).sum(axis=1)
    spread_one, spread_other = (counts * one**2).sum(axis=1), (counts * other**2).sum(axis=1)
    found = np.divide(both, np.sqrt(spread_one * spread_other), out=np.zeros(len(counts)), where=both != 0)
    return np.where(spread_other > 0, found.clip(-1, 1), np.nan)


def _mean_ranks(values: NDArray[np.generic], counts: NDArray[np.int64]) -> Floats:
    """Return the mean rank, from 1, of each row among the rows of each draw, (D, N)."""
    different, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(different)))
    alike = np.add.reduceat(counts[:, order], starts, axis=1)
    ranks: Floats = alike.cumsum(axis=1) - (alike - 1) / 2
    return ranks[:, place]


def _ratio(parts: Floats, wholes: Floats, otherwise: float) -> Floats:
    found: Floats = np.divide(parts, wholes, out=np.full(parts.shape, otherwise), where=wholes > 0)
    return found
