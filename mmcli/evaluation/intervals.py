"""Bootstrap intervals: how far a metric would move with other rows of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CELLS_AT_ONCE = 4_000_000
LEVEL = 0.95
_TAILS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]


def intervals(
    probabilities: Floats,
    encoded: NDArray[np.int64],
    *,
    predicted: NDArray[np.int64] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Return 95 % intervals, [low, high], of accuracy, balanced_accuracy, macro_f1 and log_loss.

    Rows are drawn with replacement; for all but log_loss that is to draw the confusion matrix from a
    multinomial. Averages over classes are as in scikit-learn: of the classes that a draw has. A row of a class that has
    no probability is wrong, and has no part in log_loss.

    Args:
        probabilities: (N, K), at least one row.
        encoded: The index of each row's class, (N,), K or more where it has no probability.
        predicted: That of each row's predicted class, (N,); without it the likeliest.
        draws: Samples of N rows drawn, at least 1.
        seed: What they are drawn from.

    Source: Efron 1979; the percentile interval as in Efron and Tibshirani 1993, chapter 13.
    """
    generator = np.random.default_rng(seed)
    found = _from_confusion(generator, encoded, probabilities.argmax(axis=1) if predicted is None else predicted, draws)
    seen = np.flatnonzero(encoded < probabilities.shape[1])
    if not len(seen):
        return {name: np.quantile(values, _TAILS).tolist() for name, values in found.items()}
    likelihood = probabilities[seen, encoded[seen]]
    losses = -np.log(likelihood.clip(min=np.finfo(np.float64).eps))
    at_once = max(1, CELLS_AT_ONCE // len(losses))
    found["log_loss"] = np.concatenate(
        [
            losses[generator.integers(0, len(losses), (min(at_once, draws - start), len(losses)))].mean(axis=1)
            for start in range(0, draws, at_once)
        ]
    )
    return {name: np.quantile(values, _TAILS).tolist() for name, values in found.items()}


def row_intervals(
    measure: Callable[[NDArray[np.int64]], dict[str, Floats]], rows: int, *, draws: int = 1000, seed: int = 0
) -> dict[str, list[float]]:
    """Return 95 % intervals, [low, high], of metrics of drawn rows; a draw that leaves one undefined counts not.

    Args:
        measure: From how often each row was drawn, (D, N), to the metrics of each draw, (D,).
        rows: N, at least 1.
        draws: Samples of N rows drawn with replacement, at least 1.
        seed: What they are drawn from.

    Source: as above.
    """
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS_AT_ONCE // rows)
    parts = []
    for start in range(0, draws, at_once):
        now = min(at_once, draws - start)
        drawn = generator.integers(0, rows, (now, rows)) + np.arange(now)[:, None] * rows
        parts.append(measure(np.bincount(drawn.ravel(), minlength=now * rows).reshape(now, rows)))
    found = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        if np.isfinite(values).any():
            found[name] = np.quantile(values[np.isfinite(values)], _TAILS).tolist()
    return found


def _from_confusion(
    generator: np.random.Generator, truth: NDArray[np.int64], predicted: NDArray[np.int64], draws: int
) -> dict[str, Floats]:
    cells, counts = np.unique(np.stack([truth, predicted]), axis=1, return_counts=True)
    at_once = max(1, CELLS_AT_ONCE // len(counts))
    parts = [
        _measure(generator.multinomial(len(truth), counts / len(truth), min(at_once, draws - start)), cells)
        for start in range(0, draws, at_once)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measure(counts: NDArray[np.int64], cells: NDArray[np.int64]) -> dict[str, Floats]:
    """Return the metrics of each draw from ``counts`` (draws, cells), the cells being (truth, predicted)."""
    classes = np.unique(cells)
    hits = cells[0] == cells[1]
    support = _sums(counts, cells[0], classes)
    chosen = _sums(counts, cells[1], classes)
    right = _sums(counts[:, hits], cells[0][hits], classes)
    return {
        "accuracy": right.sum(axis=1) / counts.sum(axis=1),
        "balanced_accuracy": _mean_ratio(right, support),
        "macro_f1": _mean_ratio(2 * right, support + chosen),
    }


def _sums(counts: NDArray[np.int64], labels: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (draws, classes), the sums of the cells that have each label."""
    order = np.argsort(labels, kind="stable")
    there, starts = np.unique(labels[order], return_index=True)
    sums: NDArray[Any] = np.zeros((len(counts), len(classes)), np.int64)
    if len(there):
        sums[:, np.searchsorted(classes, there)] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums


def _mean_ratio(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> Floats:
    ratios = np.divide(parts, wholes, out=np.zeros(parts.shape), where=wholes > 0)
    return np.asarray(ratios.sum(axis=1) / (wholes > 0).sum(axis=1), np.float64)
