"""Paired tests: whether two models differ in a metric by more than chance on the same rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmcli.evaluation.intervals import CELLS_AT_ONCE, units_of

Floats = NDArray[np.float64]
DRAWS = 10_000
_ROUNDING = 1e-12


def paired_p_values(
    differences: Floats, groups: Sequence[Hashable] | None = None, *, draws: int = DRAWS, seed: int = 0
) -> list[float | None]:
    """Return for each comparison the two-sided p-value of no difference.

    Rows are drawn with replacement, the same for every comparison. Under the null hypothesis the mean difference is 0,
    with the bootstrap distribution of the drawn means minus the mean of all rows. The p-value is (k + 1) / (n + 1) for
    k of n draws at least as far from 0, on either side, as the mean of all rows; None for a single row.

    Args:
        differences: Differences of the two models' scores in each row, (comparisons, N), at least one row.
        groups: Group of each row, (N,); whole groups are drawn. A row whose group is None is a group by itself.
        draws: Number n of samples of N rows, at least 1.
        seed: Seed of the draws.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 16.4; Berg-Kirkpatrick et al. 2012,
    An Empirical Investigation of Statistical Significance in NLP, section 2, there one-sided.
    """
    generator = np.random.default_rng(seed)
    means = differences.mean(axis=1)
    centred = differences - means[:, None]
    sizes = np.ones(differences.shape[1])
    if groups is not None:
        member = units_of(groups)
        sizes = np.bincount(member).astype(np.float64)
        centred = np.stack([np.bincount(member, weights=own) for own in centred])
    units = len(sizes)
    if units < 2:
        return [None] * len(differences)
    near = np.abs(means) - _ROUNDING * np.abs(differences).max(axis=1)
    further = np.zeros(len(differences), np.int64)
    at_once = max(1, CELLS_AT_ONCE // units)
    for start in range(0, draws, at_once):
        now = min(at_once, draws - start)
        drawn = generator.integers(0, units, (now, units)) + np.arange(now)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=now * units).reshape(now, units)
        further += (np.abs(centred @ counts.T / (counts @ sizes)) >= near[:, None]).sum(axis=1)
    return [float(value) for value in (further + 1) / (draws + 1)]


def p_value_of_draws(difference: float, drawn: Floats) -> float | None:
    """Return the two-sided p-value of no difference in a metric that is not a mean over rows; None without draws.

    Args:
        difference: The difference of all rows.
        drawn: That of each draw, (D,), NaN if undefined; centred on ``difference``, they are the null distribution, as
            in ``paired_p_values``.
    """
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return None
    near = abs(difference) - _ROUNDING * float(np.abs(drawn[np.isfinite(drawn)]).max())
    further = int((np.abs(defined - difference) >= near).sum())
    return (further + 1) / (len(defined) + 1)


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Return how many rows only the first and only the second model has right, and McNemar's exact p-value.

    Args:
        first: Whether the first model has each row right, (N,).
        second: Whether the second has.

    Source: McNemar 1947; the exact test, for any number of rows, is that of the binomial distribution.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    rows = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, rows).pvalue) if rows else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values of several comparisons, adjusted so that the chance of any false finding stays below the level.

    Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    order = np.argsort(p_values, kind="stable")
    found = np.zeros(len(p_values))
    steps = np.asarray(p_values, np.float64)[order] * np.arange(len(p_values), 0, -1)
    found[order] = np.maximum.accumulate(steps).clip(max=1.0)
    return [float(value) for value in found]
