"""Selective prediction: how accurate a model is on the rows it is surest of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def risk_coverage(confidence: Floats, right: NDArray[np.bool_], thresholds: Iterable[float] = ()) -> dict[str, Any]:
    """Return the share of rows answered at thresholds of confidence, their accuracy, and the area under the curve.

    ``aurc`` is the mean, over all numbers of rows answered, of the error of the surest ones; rows of equal confidence
    count as if in random order. The accuracy of no rows is None.

    Args:
        confidence: The probability of each row's answer, (N,).
        right: Whether the answer is right, (N,).
        thresholds: Further thresholds.

    Source: Geifman and El-Yaniv 2017, Selective Classification for Deep Neural Networks, section 2.
    """
    levels = sorted({0.0, *THRESHOLDS, *thresholds})
    return {
        "aurc": _area(confidence, ~right),
        "thresholds": [_at(level, right[confidence >= level], len(right)) for level in levels],
    }


def _at(level: float, right: NDArray[np.bool_], rows: int) -> dict[str, Any]:
    accuracy = float(right.mean()) if len(right) else None
    return {"threshold": level, "answered": len(right) / rows, "rows": len(right), "accuracy": accuracy}


def _area(confidence: Floats, wrong: NDArray[np.bool_]) -> float:
    order = np.argsort(-confidence, kind="stable")
    levels, starts, sizes = np.unique(-confidence[order], return_index=True, return_counts=True)
    shared = np.repeat(np.add.reduceat(wrong[order].astype(np.float64), starts) / sizes, sizes)
    del levels
    return float((shared.cumsum() / np.arange(1, len(wrong) + 1)).mean())
