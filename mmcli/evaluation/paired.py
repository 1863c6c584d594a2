"""Paired bootstrap: whether the difference of two models on the same rows is significant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmcli.evaluation.intervals import CELLS_AT_ONCE

Floats = NDArray[np.float64]
DRAWS = 10_000
_ROUNDING = 1e-12


def paired_p_values(differences: Floats, *, draws: int = DRAWS, seed: int = 0) -> list[float | None]:
    """Return for each comparison the two-sided p-value of no difference.

    Rows are drawn with replacement, the same for every comparison. Under the null hypothesis the mean difference is 0,
    with the bootstrap distribution of the drawn means minus the mean of all rows. The p-value is (k + 1) / (n + 1) for
    k of n draws at least as far from 0, on either side, as the mean of all rows; None for a single row.

    Args:
        differences: Differences of the two models' scores in each row, (comparisons, N), at least one row.
        draws: Number n of samples of N rows, at least 1.
        seed: Seed of the draws.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 16.4; Berg-Kirkpatrick et al. 2012,
    An Empirical Investigation of Statistical Significance in NLP, section 2, there one-sided.
    """
    generator = np.random.default_rng(seed)
    rows = differences.shape[1]
    if rows < 2:
        return [None] * len(differences)
    means = differences.mean(axis=1)
    centred = differences - means[:, None]
    near = np.abs(means) - _ROUNDING * np.abs(differences).max(axis=1)
    further = np.zeros(len(differences), np.int64)
    at_once = max(1, CELLS_AT_ONCE // rows)
    for start in range(0, draws, at_once):
        now = min(at_once, draws - start)
        drawn = generator.integers(0, rows, (now, rows)) + np.arange(now)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=now * rows).reshape(now, rows)
        further += (np.abs(centred @ counts.T / rows) >= near[:, None]).sum(axis=1)
    return [float(value) for value in (further + 1) / (draws + 1)]
