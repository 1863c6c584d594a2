"""Bootstrap confidence intervals of metrics."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CELLS_AT_ONCE = 4_000_000
LEVEL = 0.95
DRAWS = 1000
_FEWEST, _CELLS = 200, 50_000_000  # of many rows fewer draws are made: their intervals are narrow
_TAILS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]


def intervals(
    measure: Callable[[NDArray[np.int64]], dict[str, Floats]],
    rows: int,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int | None = None,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Return 95 % bootstrap intervals, [low, high], ignoring draws for which a metric is undefined.

    Args:
        measure: Maps how often each row was drawn, (D, N), to the metrics of each draw, (D,), NaN if undefined.
        rows: N, at least 1.
        groups: Group of each row, (N,); whole groups are drawn. A row whose group is None is a group by itself.
        draws: Number of draws; by default 1000, fewer for more than 50,000 rows, but at least 200.
        seed: Seed of the draws.

    Source: Efron 1979; the percentile interval as in Efron and Tibshirani 1993, chapter 13; groups drawn whole as in
    Davison and Hinkley 1997, section 3.8.
    """
    generator = np.random.default_rng(seed)
    if draws is None:
        draws = max(_FEWEST, min(DRAWS, _CELLS // rows))
    member = np.arange(rows) if groups is None else _numbered(groups)
    units = int(member.max()) + 1
    at_once = max(1, CELLS_AT_ONCE // rows)
    parts = []
    for start in range(0, draws, at_once):
        now = min(at_once, draws - start)
        drawn = generator.integers(0, units, (now, units)) + np.arange(now)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=now * units).reshape(now, units)
        parts.append(measure(counts if groups is None else counts[:, member]))
    found = {}
    for name in parts[0]:
        values = np.concatenate([part.get(name, np.zeros(0)) for part in parts])
        if np.isfinite(values).any():
            found[name] = np.quantile(values[np.isfinite(values)], _TAILS).tolist()
    return found


def _numbered(groups: Sequence[Hashable]) -> NDArray[np.int64]:
    """Return the index of each row's group, in order of first occurrence."""
    numbers: dict[Hashable, int] = {}
    found = []
    for row, group in enumerate(groups):
        found.append(numbers.setdefault(("row", row) if group is None else ("group", group), len(numbers)))
    return np.array(found, np.int64)
