"""Bootstrap confidence intervals of metrics."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CELLS_AT_ONCE = 4_000_000
LEVEL = 0.95
DRAWS = 1000
_FEWEST, _CELLS = 200, 50_000_000  # of many rows fewer draws are made: their intervals are narrow
_TAILS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]


def draw_metrics(
    measure: Callable[[NDArray[np.int64]], dict[str, Floats]],
    rows: int,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int | None = None,
    seed: int = 0,
) -> dict[str, Floats]:
    """Return the metrics of bootstrap draws of rows, (D,) each, NaN if undefined; equal seeds draw the same rows.

    Args:
        measure: Maps how often each row was drawn, (D, N), to the metrics of each draw, (D,), NaN if undefined.
        rows: N, at least 1.
        groups: Group of each row, (N,); whole groups are drawn. A row whose group is None is a group by itself.
        draws: Number of draws; by default 1000, fewer for more than 50,000 rows, but at least 200.
        seed: Seed of the draws.

    Source: Efron 1979; groups drawn whole as in Davison and Hinkley 1997, section 3.8.
    """
    generator = np.random.default_rng(seed)
    if draws is None:
        draws = max(_FEWEST, min(DRAWS, _CELLS // rows))
    member = np.arange(rows) if groups is None else units_of(groups)
    units = int(member.max()) + 1
    at_once = max(1, CELLS_AT_ONCE // rows)
    parts, sizes = [], []
    for start in range(0, draws, at_once):
        now = min(at_once, draws - start)
        drawn = generator.integers(0, units, (now, units)) + np.arange(now)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=now * units).reshape(now, units)
        parts.append(measure(counts if groups is None else counts[:, member]))
        sizes.append(now)
    undefined = [np.full(size, np.nan) for size in sizes]
    return {
        name: np.concatenate([part.get(name, none) for part, none in zip(parts, undefined, strict=True)])
        for name in parts[0]
    }


def interval(drawn: Floats) -> list[float] | None:
    """Return the 95 % interval, [low, high], of a figure's draws (D,) without undefined ones; None if all are.

    Source: the percentile interval as in Efron and Tibshirani 1993, chapter 13.
    """
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return None
    found: list[float] = np.quantile(defined, _TAILS).tolist()
    return found


def intervals(drawn: Mapping[str, Floats]) -> dict[str, list[float]]:
    """Return the 95 % intervals of metrics from their draws, without those that no draw defines."""
    return {name: found for name, values in drawn.items() if (found := interval(values)) is not None}


def units_of(groups: Sequence[Hashable]) -> NDArray[np.int64]:
    """Return the index of each row's group, in order of first occurrence; a row without one is a group by itself."""
    numbers: dict[Hashable, int] = {}
    found = []
    for row, group in enumerate(groups):
        found.append(numbers.setdefault(("row", row) if group is None else ("group", group), len(numbers)))
    return np.array(found, np.int64)
