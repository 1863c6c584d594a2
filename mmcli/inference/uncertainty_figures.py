"""How often sets hold the truth, and how accurate a model is on the rows it is surest of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.evaluation.conformal import share_interval
from mmcli.evaluation.intervals import draw_metrics, interval
from mmcli.evaluation.selective import risk_coverage
from mmcli.inference.uncertainty import Uncertainty
from mmcli.store.columns import Array
from mmcli.tasks.abilities import Abstains, HasParts, PredictsSets

if TYPE_CHECKING:
    from mmcli.tasks import Task


def coverage_of(
    uncertainty: Uncertainty, task: Task, predictions: Array, known: Array, wanted: Array,
    groups: Sequence[Any] | None, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Return what share of rows have the truth in their set, by target if there are several.

    Args:
        uncertainty: The sets asked for.
        task: The task.
        predictions: Of the rows, (N, …).
        known: False for a row without features, (N,).
        wanted: Their targets as ``wanted_of`` returns them, (N, …).
        groups: The group of each row, (N,), if rows have one.
        seed: Of the interval where rows have groups.
    """
    found = {}
    for name, part, rows, own, true in _each(task, predictions, wanted):
        if name not in uncertainty.levels or not isinstance(part, PredictsSets):
            continue
        level = uncertainty.levels[name]
        levels = np.where(known[rows], level, np.inf)
        covered, size = part.covered(own, true, levels), float(part.set_sizes(own, levels).mean())
        by_class = {
            label: {"coverage": float(covered[there].mean()), "rows": int(there.sum())}
            for label, there in part.rows_by_class(true).items()
        }
        found[name] = {
            "asked": uncertainty.coverage,
            "measured": float(covered.mean()),
            "interval": _interval(covered, None if groups is None else [groups[row] for row in rows.tolist()], seed),
            "rows": len(covered),
            f"mean_{part.set_measure}": size if np.isfinite(size) else None,
            "level": level if np.isfinite(level) else None,
            "calibration_rows": uncertainty.calibration_rows[name],
            **({"by_class": by_class} if by_class else {}),
        }
    return found.get("", found)


def _interval(covered: Array, groups: Sequence[Any] | None, seed: int) -> list[float]:
    if groups is None:
        return share_interval(int(covered.sum()), len(covered))
    drawn = draw_metrics(
        lambda counts: {"share": counts @ covered / counts.sum(axis=1)}, len(covered), groups, seed=seed
    )
    return interval(drawn["share"]) or [0.0, 1.0]


def selective_of(task: Task, predictions: Array, known: Array, wanted: Array, below: float | None) -> dict[str, Any]:
    """Return tables of the accuracy of rows above thresholds of their probability: ``selective``, or one by target."""
    found = {}
    for name, part, rows, own, true in _each(task, predictions, wanted):
        if isinstance(part, Abstains):
            confidence = np.where(known[rows], part.confidence(own), 0.0)
            right = part.row_scores(own, true)["accuracy"] == 1
            table = risk_coverage(confidence, right, () if below is None else (below,))
            found[f"selective_{name}" if name else "selective"] = table
    return found


def _each(task: Task, predictions: Array, wanted: Array) -> Iterator[tuple[str, Task, Array, Array, Array]]:
    """Yield each target's column and task, the rows that have it, and their predictions and targets."""
    if not isinstance(task, HasParts):
        yield "", task, np.arange(len(wanted)), predictions, wanted
        return
    rows = {name: own for name, (own, _) in task.own_targets(wanted).items()}
    for name, (part, own, true) in task.by_target(predictions, wanted).items():
        yield name, part, rows[name], own, true
