"""Conformal scores: how badly each target fits a prediction, from 0 or below up; N rows, K classes or labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
Bools = NDArray[np.bool_]


def class_fits(probabilities: Floats, decided: Indexes) -> Floats:
    """Return the score of every class, (N, K): 1 minus its probability, 0 for the predicted class.

    A set of the classes up to a level therefore holds the predicted class.

    Source: Sadinle, Lei and Wasserman 2019, Least Ambiguous Set-Valued Classifiers With Bounded Error Levels.
    """
    found: Floats = 1 - probabilities
    found[np.arange(len(decided)), decided] = 0.0
    return found


def rank_fits(probabilities: Floats, decided: Indexes) -> Floats:
    """Return the score of every ordered class, (N, K): the probability of the classes that come before it.

    The predicted class comes first, then always the likelier of the two neighbours, so that the classes up to a level
    are contiguous.

    Source: Lu, Angelopoulos and Pomerantz 2022, Improving Trustworthiness of AI Disease Severity Rating in Medical
    Imaging with Ordinal Conformal Prediction Sets, algorithm 1; from the median, which the task predicts.
    """
    rows, count = np.arange(len(decided)), probabilities.shape[1]
    padded = np.pad(probabilities, ((0, 0), (1, 1)), constant_values=-1.0)
    low, high = decided.copy(), decided.copy()
    found = np.zeros(probabilities.shape)
    mass = probabilities[rows, decided].copy()
    for _ in range(count - 1):
        below, above = padded[rows, low], padded[rows, high + 2]
        down = below >= above
        low, high = low - down, high + ~down
        place = np.where(down, low, high)
        found[rows, place] = mass
        mass += np.where(down, below, above)
    return found


def scores_in(fits: Floats, indexes: Indexes) -> Floats:
    """Return the score of each row's class, (N,), from the scores of all; infinite for an index from K on."""
    seen = indexes < fits.shape[1]
    return np.where(seen, fits[np.arange(len(indexes)), np.where(seen, indexes, 0)], np.inf)


def label_fits(probabilities: Floats, decided: Bools) -> Floats:
    """Return the score of every label, (N, K): 1 minus its probability, 0 for the predicted labels.

    The score of a row is the largest of its own labels: a set of the labels up to a level holds all of them.

    Source: the outer sets of Cauchois, Gupta and Duchi 2021, Knowing What You Know, section 3.
    """
    return np.where(decided, 0.0, 1 - probabilities)


def bounds(predictions: Floats, levels: Floats, log: bool) -> Floats:
    """Return the ends of each row's interval, (N, 2), which always holds the predicted number.

    Args:
        predictions: Numbers (N, 1), or each between the ends of its own interval (N, 3).
        levels: How far the interval reaches beyond these, (N,); below 0 it is narrower.
        log: Whether levels are of logarithms.
    """
    middle = predictions[:, predictions.shape[1] // 2]
    low, high = _scaled(predictions[:, 0], log) - levels, _scaled(predictions[:, -1], log) + levels
    if log:
        with np.errstate(over="ignore"):
            low, high = np.exp(low), np.exp(high)
    return np.stack([np.minimum(low, middle), np.maximum(high, middle)], axis=1)


def gaps(predictions: Floats, truth: Floats, log: bool) -> Floats:
    """Return how far each number is from the prediction, or outside its interval and then below 0 inside, (N,).

    Source: Lei et al. 2018, Distribution-Free Predictive Inference for Regression; of intervals, Romano, Patterson and
    Candès 2019, Conformalized Quantile Regression, equation 6.
    """
    true = _scaled(truth, log)
    return np.maximum(_scaled(predictions[:, 0], log) - true, true - _scaled(predictions[:, -1], log))


def _scaled(numbers: Floats, log: bool) -> Floats:
    return np.asarray(np.log(numbers) if log else numbers, np.float64)
