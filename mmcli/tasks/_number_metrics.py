"""Regression metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mmcli.tasks._rank_metrics import spearman_draws

Floats = NDArray[np.float64]
_MOST = 3.0  # limits of the sentiment scale


def number_metrics(predictions: Floats, truth: Floats, sentiment: bool) -> dict[str, float]:
    """Return the metrics of rows by name, without undefined ones.

    Args:
        predictions: Numbers (N, 1), or each number between the ends of its interval (N, 3).
        truth: (N,).
        sentiment: Add metrics for sentiment from -3 to 3: ``acc_2_has0`` and ``f1_has0`` of negative against
            nonnegative, ``acc_2_non0`` and ``f1_non0`` of negative against positive on rows whose target is not 0,
            both F1 weighted by class, and ``acc_7`` of integers from -3 to 3.

    Source: Zadeh et al. 2016, MOSI, for ``acc_2_has0`` and ``acc_7``; Tsai et al. 2019, Multimodal Transformer,
    section 4, whose code removes rows of 0.
    """
    value = _middle(predictions)
    every = np.ones((1, len(truth)), np.int64)
    found = {name: float(values[0]) for name, values in draws_of_numbers(predictions, truth, every, sentiment).items()}
    found["spearman"] = _correlation(rankdata(value), rankdata(truth))
    if sentiment:
        found["f1_has0"] = _weighted_f1(truth >= 0, value >= 0)
        some = truth != 0
        found["f1_non0"] = _weighted_f1(truth[some] > 0, value[some] > 0) if some.any() else np.nan
    return {name: number for name, number in found.items() if np.isfinite(number)}


def number_scores(predictions: Floats, truth: Floats, sentiment: bool) -> dict[str, Floats]:
    """Return one number per row, (N,), for each metric that is the mean of such numbers; arguments as above."""
    value = _middle(predictions)
    found = {"mae": np.abs(value - truth)}
    if truth.all():
        found["mape"] = np.abs((value - truth) / truth)
    if predictions.shape[1] == 3:
        found["coverage"] = ((predictions[:, 0] <= truth) & (truth <= predictions[:, 2])).astype(np.float64)
        found["width"] = predictions[:, 2] - predictions[:, 0]
    if sentiment:
        found["acc_2_has0"] = ((value >= 0) == (truth >= 0)).astype(np.float64)
        if truth.any():
            right = ((value > 0) == (truth > 0)) & (truth != 0)
            found["acc_2_non0"] = right * len(truth) / np.count_nonzero(truth)
        found["acc_7"] = (_step(value) == _step(truth)).astype(np.float64)
    return found


def draws_of_numbers(
    predictions: Floats, truth: Floats, counts: NDArray[np.int64], sentiment: bool
) -> dict[str, Floats]:
    """Return the metrics based on sums over rows, in draws in which each row occurs ``counts`` (D, N) times.

    Squares are of numbers centred over all rows, to keep precision for large numbers.
    """
    value = _middle(predictions)
    scores = number_scores(predictions, truth, sentiment)
    weights = counts / counts.sum(axis=1, keepdims=True)
    found = {name: weights @ score for name, score in scores.items()}
    if "acc_2_non0" in found:
        share = weights @ (truth != 0)
        found["acc_2_non0"] = _ratio(found["acc_2_non0"] * np.count_nonzero(truth) / len(truth), share)
    mean_square = weights @ (value - truth) ** 2
    y, p = truth - truth.mean(), value - value.mean()
    own_y, own_p = weights @ y, weights @ p
    spread_y, spread_p = _spread(weights, y, own_y), _spread(weights, p, own_p)
    found["rmse"] = np.sqrt(mean_square)
    found["r2"] = 1 - _ratio(mean_square, spread_y)
    flat = (spread_p == 0) & (spread_y > 0)
    pearson = _ratio(weights @ (y * p) - own_y * own_p, np.sqrt(spread_y) * np.sqrt(spread_p))
    found["pearson"] = np.where(flat, 0.0, pearson.clip(-1, 1))
    return found


def all_draws_of_numbers(
    predictions: Floats, truth: Floats, counts: NDArray[np.int64], sentiment: bool
) -> dict[str, Floats]:
    """Return every metric of ``number_metrics`` in draws in which each row occurs ``counts`` (D, N) times."""
    value = _middle(predictions)
    found = draws_of_numbers(predictions, truth, counts, sentiment)
    found["spearman"] = spearman_draws(value, truth, counts)
    if sentiment:
        some = truth != 0
        found["f1_has0"] = _f1_draws(truth >= 0, value >= 0, counts)
        found["f1_non0"] = _f1_draws(truth[some] > 0, value[some] > 0, counts[:, some])
    return found


def _f1_draws(truth: NDArray[np.bool_], predicted: NDArray[np.bool_], counts: NDArray[np.int64]) -> Floats:
    """Return the F1 of both classes, weighted by class, in each draw, (D,); NaN without rows."""
    found = np.zeros(len(counts))
    for kind in (False, True):
        real, said = truth == kind, predicted == kind
        own = counts @ real
        both = own + counts @ said
        found += own * _ratio(2.0 * (counts @ (real & said)), np.maximum(both, 1.0))
    return _ratio(found, counts.sum(axis=1).astype(np.float64))


def _spread(weights: Floats, centred: Floats, mean: Floats) -> Floats:
    """Return the variance in each draw, exactly 0 if all values drawn are equal."""
    found: Floats = weights @ centred**2 - mean**2
    return np.where(found <= 1e-12 * (weights @ centred**2), 0.0, found)


def _ratio(parts: Floats, wholes: Floats) -> Floats:
    found: Floats = np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
    return found


def _correlation(one: Floats, other: Floats) -> float:
    every = np.ones((1, len(one)), np.int64)
    return float(draws_of_numbers(one[:, None], other, every, False)["pearson"][0])


def _middle(predictions: Floats) -> Floats:
    return np.asarray(predictions[:, predictions.shape[1] // 2], np.float64)


def _step(numbers: Floats) -> Floats:
    return np.asarray(np.round(numbers.clip(-_MOST, _MOST)), np.float64)


def _weighted_f1(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    found = 0.0
    for kind in (False, True):
        real, said = truth == kind, predicted == kind
        both = real.sum() + said.sum()
        found += float(real.mean() * 2 * (real & said).sum() / both) if both else 0.0
    return found
