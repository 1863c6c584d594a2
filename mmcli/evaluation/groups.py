"""Rows by the value of a column: where a model does worse than elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 10
"""Rows that a value must have for its metrics to be compared with those of others."""
MOST = 100
"""Values that a column may have."""


def rows_by_value(cells: Sequence[Any]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each value of a column, the most frequent first; an empty cell's value is ``""``."""
    found: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        found.setdefault("" if cell is None else str(cell).strip(), []).append(row)
    order = sorted(found, key=lambda value: (-len(found[value]), value))
    return {value: np.array(found[value], np.int64) for value in order}


def gap_of(values: Mapping[str, Mapping[str, Any]], metric: str, *, small_is_better: bool) -> dict[str, Any]:
    """Return by how much the best and the worst value differ in a metric, and which they are.

    Values of fewer than ``LEAST`` rows do not count, and there is no gap of less than two others.

    Args:
        values: ``rows`` and ``metrics`` of each value.
        metric: The metric.
        small_is_better: Whether its best value is the smallest.
    """
    scores = {
        value: own["metrics"][metric]
        for value, own in values.items()
        if own["rows"] >= LEAST and metric in own["metrics"]
    }
    if len(scores) < 2:
        return {}
    order = sorted(scores, key=lambda value: scores[value], reverse=not small_is_better)
    best, worst = order[0], order[-1]
    return {"gap": abs(scores[best] - scores[worst]), "best": best, "worst": worst}
