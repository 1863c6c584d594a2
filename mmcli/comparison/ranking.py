"""Ranks the methods of a comparison, with their spread over seeds and their difference to the best single modality."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmcli.comparison.records import Run
from mmcli.registry import FUSIONS, parse_spec
from mmcli.store.columns import Array

if TYPE_CHECKING:
    from mmcli.tasks import Task

SINGLE = "only"
"""The method that uses one modality alone, with which the others are compared."""
COLUMNS = ("method", "kind", "mean", "std", "parameters", "difference", "p_value", "error")


@dataclass(frozen=True)
class Comparison:
    """The result of compare.

    Args:
        found: The content of ``comparison.json``.
        seconds: The mean duration of a run of each method.
        output: The folder written.
    """

    found: dict[str, Any]
    seconds: dict[str, float]
    output: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        methods = [{**each, "seconds": self.seconds.get(each["method"])} for each in self.found["methods"]]
        return {**self.found, "methods": methods, "output": self.output}


@dataclass(frozen=True)
class Tried:
    """A method's runs by seed, or the error that stopped it."""

    method: str
    runs: Mapping[int, Run]
    error: str | None = None


def kind_of(method: str) -> str:
    """Return ``single`` for one modality alone, else a method's kind: ``static``, ``learnt`` or ``late``."""
    name = parse_spec(method).name
    return "single" if name == SINGLE else str(FUSIONS.constant(name, "kind"))


def best_seed(runs: Mapping[int, Run], metric: str, mode: Literal["min", "max"]) -> int:
    """Return the seed whose run has the best value; the first in case of a tie."""
    sign = -1 if mode == "min" else 1
    return max(runs, key=lambda seed: sign * runs[seed].record.metrics[metric])


def summarise(
    everything: Sequence[Tried], metric: str, task: Task, targets: Array, seed: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the methods, best first and failed ones last, and the best single modality, if there is any.

    The paired bootstrap draws from the differences between a method's score of a row, averaged over its seeds, and
    that of the best single modality. Metrics that are not a mean over rows have no p-value.

    Args:
        everything: The methods with their runs.
        metric: The name of the metric.
        task: The fitted task.
        targets: The encoded targets of the val rows.
        seed: Seed of the bootstrap.
    """
    from mmcli.evaluation.paired import paired_p_values
    from mmcli.tasks import mode_of

    mode = mode_of(task, metric)
    sign = -1 if mode == "min" else 1
    means = {
        tried.method: statistics.fmean(run.record.metrics[metric] for run in tried.runs.values())
        for tried in everything
        if tried.error is None
    }
    order = sorted(means, key=lambda method: -sign * means[method])
    reference = next((method for method in order if kind_of(method) == "single"), None)
    by_name = {tried.method: tried for tried in everything}
    p_values: dict[str, float | None] = {}
    if reference is not None:
        scores = {method: _row_scores(by_name[method], metric, task, targets) for method in order}
        others = [method for method in order if method != reference]
        whole = [(method, scores[method], scores[reference]) for method in others]
        rows = [own - single for _, own, single in whole if own is not None and single is not None]
        if rows:
            p_values = dict(zip(others, paired_p_values(np.stack(rows), seed=seed), strict=True))
    found = []
    for method in [*order, *(tried.method for tried in everything if tried.error is not None)]:
        tried = by_name[method]
        values = [run.record.metrics[metric] for run in tried.runs.values()]
        compared = reference is not None and method in means and method != reference
        found.append(
            {
                "method": method,
                "kind": kind_of(method),
                "mean": means.get(method),
                "std": statistics.stdev(values) if tried.error is None and len(values) > 1 else None,
                "parameters": next((run.record.parameters for run in tried.runs.values()), None),
                "difference": means[method] - means[str(reference)] if compared else None,
                "p_value": p_values.get(method),
                "error": tried.error,
                "best_seed": best_seed(tried.runs, metric, mode) if tried.error is None else None,
                "runs": [{"seed": number, "run": run.key, **asdict(run.record)} for number, run in tried.runs.items()],
            }
        )
    return found, reference


def _row_scores(tried: Tried, metric: str, task: Task, targets: Array) -> Array | None:
    """Return the score of each row, (V,), averaged over seeds; None if the metric is not a mean over rows."""
    each = [task.row_scores(run.probabilities, targets).get(metric) for run in tried.runs.values()]
    told = [scores for scores in each if scores is not None]
    return np.mean(told, axis=0) if told else None


def write_table(found: Mapping[str, Any], path: Path) -> None:
    """Write a CSV with one line per method."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(found["methods"])
