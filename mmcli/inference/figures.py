"""The figures of an evaluation, from predictions and true targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import UsageError
from mmcli.evaluation.groups import MOST, gap_of, rows_by_value
from mmcli.evaluation.headline import headline
from mmcli.evaluation.intervals import draw_metrics, intervals
from mmcli.evaluation.paired import paired_p_values
from mmcli.evaluation.shapley import interaction, shapley_values
from mmcli.evaluation.subsets import subset_name
from mmcli.store.columns import Array
from mmcli.tasks import mode_of
from mmcli.tasks.abilities import ComparesModalities, DrawsMetrics, HasBaselinesBeside, HasParts, HasReferences

if TYPE_CHECKING:
    from mmcli.tasks import Task


def wanted_of(task: Task, targets: Sequence[Any]) -> Array:
    """Return the references that a task's metrics compare predictions with."""
    return task.references(targets) if isinstance(task, HasReferences) else task.encode(targets)


def baselines_of(task: Task, predictions: Array, wanted: Array) -> dict[str, dict[str, float]]:
    """Return a task's metrics of baselines, which use no features, by name."""
    return (
        task.baselines_beside(predictions, wanted) if isinstance(task, HasBaselinesBeside) else task.baselines(wanted)
    )


def draws_of(
    task: Task, predictions: Array, wanted: Array, seed: int, groups: Sequence[Any] | None = None
) -> dict[str, Array]:
    """Return the metrics of bootstrap draws of rows, (D,) each, for the metrics that the task can resample.

    Rows of one of the ``groups`` (N,) are drawn together, since they are much alike. Models measured on the same rows
    with the same seed are measured in the same draws.
    """
    if isinstance(task, HasParts):
        rows = {name: own for name, (own, _) in task.own_targets(wanted).items()}
        return {
            f"{name}.{metric}": drawn
            for name, (part, own, known) in task.by_target(predictions, wanted).items()
            for metric, drawn in draws_of(
                part, own, known, seed, None if groups is None else [groups[row] for row in rows[name]]
            ).items()
        }
    if not isinstance(task, DrawsMetrics):
        return {}
    return draw_metrics(partial(task.metrics_of_draws, predictions, wanted), len(wanted), groups, seed=seed)


def main_metric(task: Task, metrics: Mapping[str, float]) -> str | None:
    """Return the metric that says most of a task, of those that these rows define."""
    return next(iter(headline(task.headline, metrics)), None)


def groups_of(
    task: Task, predictions: Array, wanted: Array, columns: Mapping[str, Sequence[Any]], seed: int
) -> dict[str, Any]:
    """Return the metrics of the rows of each value of some columns, and how far the best and the worst are apart.

    Args:
        task: The task.
        predictions: Of the rows, (N, …).
        wanted: Their targets as ``wanted_of`` returns them, (N, …).
        columns: The cells of each column, (N,).
        seed: Of the intervals.

    Raises:
        UsageError: A column has too many values.
    """
    metric = main_metric(task, task.metrics(predictions, wanted))
    if metric is None:
        return {}
    found: dict[str, Any] = {}
    for column, cells in columns.items():
        rows_of = rows_by_value(cells)
        if len(rows_of) > MOST:
            raise UsageError(f"--by {column}: {len(rows_of):,} different values, expected at most {MOST}")
        values = {}
        for value, rows in rows_of.items():
            drawn = intervals(draws_of(task, predictions[rows], wanted[rows], seed))
            values[value] = {
                "rows": len(rows),
                "metrics": task.metrics(predictions[rows], wanted[rows]),
                **({"interval": drawn[metric]} if metric in drawn else {}),
            }
        found[column] = {
            **gap_of(values, metric, small_is_better=mode_of(task, metric) == "min"), "values": values,
        }  # fmt: skip
    gaps = [own["gap"] for own in found.values() if "gap" in own]
    return {"metric": metric, **({"gap": max(gaps)} if gaps else {}), "columns": found}


def shapley_of(
    task: Task, wanted: Array, whole: Array, parts: Mapping[tuple[str, ...], Array], names: Sequence[str], seed: int,
    groups: Sequence[Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what each modality gives in the main metric; empty if a subset leaves that undefined.

    Args:
        task: The task.
        wanted: The targets as ``wanted_of`` returns them, (N, …).
        whole: Predictions from all modalities, (N, …).
        parts: Those from each proper subset.
        names: All modalities, sorted.
        seed: Of the p-values.
        groups: The group of each row, (N,), whose rows are drawn together.
    """
    every = {frozenset(part): own for part, own in parts.items()}
    if isinstance(task, ComparesModalities):  # a single modality has nothing to be compared with
        return {}
    metric = main_metric(task, task.metrics(whole, wanted))
    if metric is None or len(names) < 2 or len(every) < 2 ** len(names) - 2:
        return {}
    every[frozenset(names)] = whole
    every[frozenset()] = np.repeat(np.asarray(task.prior(), np.float64)[None], len(whole), axis=0)
    measured = {part: task.metrics(own, wanted) for part, own in every.items()}
    if not all(metric in values for values in measured.values()):
        return {}
    worth = {part: values[metric] for part, values in measured.items()}
    everything = frozenset(names)
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    return {
        "metric": metric,
        "none": worth[frozenset()],
        "all": worth[everything],
        "values": shapley_values(names, worth),
        "alone": {name: worth[frozenset({name})] - worth[frozenset()] for name in names},
        "last": {name: worth[everything] - worth[everything - {name}] for name in names},
        "last_p_values": _p_values(task, wanted, every, metric, names, seed, groups),
        "interactions": {subset_name(pair): interaction(pair, worth) for pair in pairs},
    }


def best_single_of(
    task: Task, wanted: Array, whole: Array, singles: Mapping[str, Array], seed: int, groups: Sequence[Any] | None
) -> dict[str, Any]:
    """Return the modality that does best alone, and what the model gains over it, in the task's main metric.

    Args:
        task: The task.
        wanted: The targets as ``wanted_of`` returns them, (N, …).
        whole: Predictions from all modalities, (N, …).
        singles: Those from each modality alone.
        seed: Of the p-value.
        groups: The group of each row, (N,), whose rows are drawn together.
    """
    metrics = task.metrics(whole, wanted)
    metric = main_metric(task, metrics)
    values = {name: task.metrics(own, wanted).get(metric) for name, own in singles.items()} if metric else {}
    there = {name: value for name, value in values.items() if value is not None}
    if metric is None or len(there) < 2:
        return {}
    sign = 1 if mode_of(task, metric) == "max" else -1
    best = max(there, key=lambda name: sign * there[name])
    found: dict[str, Any] = {"modality": best, "metric": metric, "gain": metrics[metric] - there[best]}
    mine, own = (task.row_scores(each, wanted).get(metric) for each in (whole, singles[best]))
    if mine is not None and own is not None:
        (p_value,) = paired_p_values((mine - own)[None], groups, seed=seed)
        found |= {} if p_value is None else {"p_value": p_value}
    return {"best_single": found}


def _p_values(
    task: Task, wanted: Array, every: Mapping[frozenset[str], Array], metric: str, names: Sequence[str], seed: int,
    groups: Sequence[Any] | None,
) -> dict[str, float]:  # fmt: skip
    """Return for each modality the p-value of its giving nothing beside the others, if rows have their own scores."""
    everything = frozenset(names)
    scores = [task.row_scores(every[part], wanted) for part in (everything, *(everything - {name} for name in names))]
    if not all(metric in own for own in scores):
        return {}
    whole, *others = (own[metric] for own in scores)
    found = paired_p_values(np.stack([whole - other for other in others]), groups, seed=seed)
    return {name: value for name, value in zip(names, found, strict=True) if value is not None}
