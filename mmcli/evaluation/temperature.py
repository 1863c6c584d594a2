"""The temperature that makes probabilities fit the truth best; N rows, K classes or labels.

Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLDEST, HOTTEST = 0.01, 1000.0
"""The limits of a temperature."""


def class_temperature(logits: Floats, classes: NDArray[np.int64]) -> float | None:
    """Return the temperature with the smallest log loss of the softmax of ``logits / temperature``.

    None if the true class of every row has the largest logit: the log loss then falls towards temperature 0.

    Args:
        logits: (N, K).
        classes: The index of each row's class, (N,).
    """
    above = logits - logits[np.arange(len(classes)), classes][:, None]
    if (above <= 0).all():
        return None

    def slope(inverse: float) -> float:
        scaled = above * inverse
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return float(((weights * above).sum(axis=1) / weights.sum(axis=1)).mean())

    return _temperature(slope)


def label_temperature(logits: Floats, truth: NDArray[np.bool_]) -> float | None:
    """Return the temperature with the smallest log loss of the sigmoid of ``logits / temperature``, for all labels.

    None if every logit has the sign of the truth.

    Args:
        logits: (N, K).
        truth: Whether a row has a label, (N, K).
    """
    from scipy.special import expit

    wrong = np.where(truth, -logits, logits)
    if (wrong <= 0).all():
        return None
    return _temperature(lambda inverse: float((wrong * expit(wrong * inverse)).mean()))


def _temperature(slope: Callable[[float], float]) -> float:
    """Return the temperature whose inverse is the zero of a rising slope, within the limits."""
    from scipy.optimize import brentq

    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(low) >= 0:
        return HOTTEST
    if slope(high) <= 0:
        return COLDEST
    return 1 / float(brentq(slope, low, high, xtol=1e-14, rtol=1e-13))
