"""Classification metrics; N rows, K classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mmcli.errors import MmcliError

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
ECE_BINS = 15
_HALF = 0.5


SKIPPED_IF_UNSEEN = ("log_loss", "roc_auc", "average_precision")
"""Metrics that ignore rows of unseen classes, for which they are undefined; others count such rows as wrong."""


def class_metrics(
    probabilities: Floats, predicted: Indexes, encoded: Indexes, top_k: int = 0, positive: int = 1
) -> dict[str, float]:
    """Return the metrics of rows by name, without undefined ones.

    A row of an unseen class counts as wrong; ``SKIPPED_IF_UNSEEN`` ignore it.

    Args:
        probabilities: (N, K).
        predicted: The index of each row's predicted class, (N,).
        encoded: The index of each row's true class, (N,); from K on for unseen classes.
        top_k: Also compute top-k accuracy with this k; 0 does not.
        positive: Of two classes, the positive one for precision, recall, F1, average precision and ROC.

    Raises:
        MmcliError: There are no rows.
    """
    if not len(encoded):
        raise MmcliError("there are no rows to measure")
    classes = probabilities.shape[1]
    found = {"accuracy": metrics.accuracy_score(encoded, predicted)}
    with warnings.catch_warnings():
        for said in ("y_pred contains classes not in y_true", "A single label was found"):
            warnings.filterwarnings("ignore", message=said)
        found["balanced_accuracy"] = metrics.balanced_accuracy_score(encoded, predicted)
    for average in ("macro", "micro", "weighted"):
        scores = metrics.precision_recall_fscore_support(encoded, predicted, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), scores, strict=False):
            found[f"{average}_{name}"] = value
    if classes == 2:
        own = metrics.precision_recall_fscore_support(
            encoded == positive, predicted == positive, average="binary", zero_division=0
        )
        found |= dict(zip(("precision", "recall", "f1"), own, strict=False))
    seen = encoded < classes
    found |= _ranking(probabilities[seen], encoded[seen], [positive] if classes == 2 else range(classes))
    if seen.any():
        found["log_loss"] = metrics.log_loss(encoded[seen], probabilities[seen], labels=range(classes))
    gaps = calibration_gaps(probabilities.max(axis=1), probabilities.argmax(axis=1) == encoded)
    found["ece"] = np.abs(np.bincount(gaps.bins, weights=gaps.values)).sum() / len(encoded)
    found["brier"] = brier_scores(probabilities, encoded).mean()
    found |= {name: each.mean() for name, each in _top_scores(probabilities, encoded, top_k).items()}
    return {name: float(value) for name, value in found.items()}


def _ranking(probabilities: Floats, encoded: Indexes, classes: Iterable[int]) -> dict[str, float]:
    """Return the means over classes that some rows have and others do not; empty if there is none."""
    pairs = [(encoded == k, probabilities[:, k]) for k in classes if 0 < (encoded == k).sum() < len(encoded)]
    if not pairs:
        return {}
    return {
        "roc_auc": float(np.mean([metrics.roc_auc_score(*pair) for pair in pairs])),
        "average_precision": float(np.mean([metrics.average_precision_score(*pair) for pair in pairs])),
    }


def class_scores(probabilities: Floats, predicted: Indexes, encoded: Indexes, top_k: int = 0) -> dict[str, Floats]:
    """Return one number per row, (N,), for each metric that is the mean of such numbers."""
    right = (predicted == encoded).astype(np.float64)
    counts = np.bincount(encoded, minlength=probabilities.shape[1])
    found = {
        "accuracy": right,
        "balanced_accuracy": right * len(encoded) / (np.count_nonzero(counts) * counts[encoded]),
    }
    if (encoded < probabilities.shape[1]).all():
        likelihood = probabilities[np.arange(len(encoded)), encoded]
        found["log_loss"] = -np.log(likelihood.clip(min=np.finfo(np.float64).eps))
    found["brier"] = brier_scores(probabilities, encoded)
    return found | _top_scores(probabilities, encoded, top_k)


def best_threshold(probability: Floats, positive: NDArray[np.bool_]) -> float:
    """Return the probability threshold with the best balanced accuracy on these rows.

    Candidates are 0.5 and the midpoints between the probabilities of rows; ties go to the one closest to 0.5, which is
    also the result if all rows have the same class.

    Args:
        probability: Predicted probability of being positive, (N,).
        positive: Whether each row is positive, (N,).
    """
    if positive.all() or not positive.any():
        return _HALF
    values = np.unique(probability)
    levels = np.append(_HALF, (values[:-1] + values[1:]) / 2)
    have, lack = np.sort(probability[positive]), np.sort(probability[~positive])
    caught = len(have) - np.searchsorted(have, levels)
    spared = np.searchsorted(lack, levels)
    score = caught * len(lack) + spared * len(have)
    best = levels[score == score.max()]
    return float(best[np.abs(best - _HALF).argmin()])


def _top_scores(probabilities: Floats, encoded: Indexes, top_k: int) -> dict[str, Floats]:
    """Return 1 for each row whose class is among its ``top_k`` likeliest, (N,); ties go to later classes."""
    if not top_k:
        return {}
    likeliest = np.argsort(probabilities, axis=1, kind="stable")[:, -top_k:]
    return {f"top_{top_k}_accuracy": (likeliest == encoded[:, None]).any(axis=1).astype(np.float64)}


def brier_scores(probabilities: Floats, encoded: Indexes) -> Floats:
    """Return the squared error of each row's probabilities summed over the classes, (N,); halved of two.

    It is from 0 to 2, of two classes to 1. A row of a class that has no probability is wrong in that class too.

    Source: Brier 1950, Verification of Forecasts Expressed in Terms of Probability; halved as by scikit-learn.
    """
    seen = encoded < probabilities.shape[1]
    own = np.where(seen, probabilities[np.arange(len(encoded)), np.where(seen, encoded, 0)], 0.0)
    found: Floats = (probabilities**2).sum(axis=1) + 1 - 2 * own
    return found / 2 if probabilities.shape[1] == 2 else found


@dataclass(frozen=True)
class CalibrationGaps:
    """By how much each row's confidence is below being right, and in which bin of confidence it is, (N,) both."""

    values: Floats
    bins: Indexes
    count: int = ECE_BINS


def calibration_gaps(confidence: Floats, correct: NDArray[np.bool_]) -> CalibrationGaps:
    """Return the gaps of rows, in bins of equal width, open below; Guo et al. 2017, section 2."""
    bins = np.ceil(confidence * ECE_BINS).clip(1, ECE_BINS).astype(np.int64) - 1
    return CalibrationGaps(correct - confidence, bins)


def class_reliability(probabilities: Floats, encoded: Indexes) -> list[dict[str, float | int]]:
    """Return the bins of a reliability diagram of each row's likeliest class."""
    return reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == encoded)


def reliability(confidence: Floats, correct: NDArray[np.bool_]) -> list[dict[str, float | int]]:
    """Return what a reliability diagram shows: for each bin that has rows, their mean confidence and accuracy."""
    bins = calibration_gaps(confidence, correct).bins
    return [
        {
            "from": number / ECE_BINS, "to": (number + 1) / ECE_BINS, "rows": int(own.sum()),
            "confidence": float(confidence[own].mean()), "accuracy": float(correct[own].mean()),
        }
        for number in range(ECE_BINS)
        if (own := bins == number).any()
    ]  # fmt: skip
