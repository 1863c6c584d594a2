"""The targets of an evaluation, each with its own task, rows, predictions and answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.inference.collected import Answers
from mmcli.inference.measuring import Measuring
from mmcli.store.columns import Array, Row
from mmcli.tasks import mode_of
from mmcli.tasks.abilities import HasParts, encodes_classes

if TYPE_CHECKING:
    from mmcli.tasks import Task

_ERRORS = ("log_loss", "rps", "mae", "samples_f1", "rouge_l", "hamming", "accuracy")
"""Metrics by which a row's error is told, the preferred first."""


@dataclass(frozen=True)
class Part:
    """One target of S samples.

    Args:
        name: Its column; "" where there is one target only.
        task: Its task.
        rows: The number of each sample's row, (S,).
        predictions: (S, …).
        wanted: The targets in the form that metrics take, (S, …).
        answers: The answer and the target of each sample, as in ``predictions.jsonl``.
    """

    name: str
    task: Task
    rows: Array
    predictions: Array
    wanted: Array
    answers: Sequence[tuple[Mapping[str, Any], Any]]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def has_classes(self) -> bool:
        """Whether each sample has one class."""
        return encodes_classes(self.task)

    def classes(self) -> tuple[list[str], list[str | None]]:
        """Return the true and the predicted class of each sample; None if it has no modality."""
        return [str(target) for _, target in self.answers], [answer.get("label") for answer, _ in self.answers]

    def confidence(self) -> Array:
        """Return the probability of each sample's predicted class, (S,); 0 without one."""
        return np.array([answer.get("probability") or 0.0 for answer, _ in self.answers], np.float64)

    def errors(self) -> tuple[str, Array] | None:
        """Return a metric and how bad each sample is in it, (S,), larger is worse; None if rows have no scores."""
        scores = self.task.row_scores(self.predictions, self.wanted)
        metric = next((name for name in (*_ERRORS, *scores) if name in scores), None)
        if metric is None:
            return None
        sign = 1.0 if mode_of(self.task, metric) == "min" else -1.0
        return metric, sign * np.asarray(scores[metric], np.float64)


def parts_of(measuring: Measuring, found: Answers) -> Iterator[Part]:
    """Yield the targets of an evaluation."""
    task, answers = measuring.model.task, measuring.predictions
    if not isinstance(task, HasParts):
        own = [(answers[row], answers[row]["target"]) for row in found.rows.tolist()]
        yield Part("", task, found.rows, found.predictions, found.wanted, own)
        return
    places = {name: rows for name, (rows, _) in task.own_targets(found.wanted).items()}
    for name, (part, predictions, wanted) in task.by_target(found.predictions, found.wanted).items():
        rows = found.rows[places[name]]
        told = [(answers[row]["targets"][name], _own(answers[row], name)) for row in rows.tolist()]
        yield Part(name, part, rows, predictions, wanted, told)


def _own(answer: Row, name: str) -> Any:
    target = answer["target"]
    return target.get(name) if isinstance(target, dict) else target
