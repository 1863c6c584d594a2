"""Split conformal prediction: the level up to which scores of targets are plausible.

Source: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World, section 2; the rank as in Lei et al.
2018, Distribution-Free Predictive Inference for Regression, algorithm 2.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def level_of(scores: Floats, coverage: float) -> float:
    """Return the level that a further row's score is at most, with at least this probability.

    This is the score of rank ceil((N + 1) coverage); infinite if there are too few scores.

    Args:
        scores: The scores of N rows that were not trained on, sorted.
        coverage: The probability, between 0 and 1.
    """
    rank = math.ceil((len(scores) + 1) * _exact(coverage))
    return float(scores[rank - 1]) if rank <= len(scores) else math.inf


def rows_needed(coverage: float) -> int:
    """Return the fewest scores that give a finite level."""
    exact = _exact(coverage)
    return math.ceil(exact / (1 - exact))


def _exact(coverage: float) -> Fraction:
    """Return a share as it is written, so that 0.9 of 10 rows are 9."""
    return Fraction(str(coverage))


def share_interval(hits: int, rows: int) -> list[float]:
    """Return the 95 % interval of a share, [low, high]; Wilson 1927, Probable Inference."""
    from scipy.stats import binomtest

    found = binomtest(hits, rows).proportion_ci(method="wilson")
    return [float(found.low), float(found.high)]
