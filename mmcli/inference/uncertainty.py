"""Adds to a model's answers how sure they are: sets that hold the truth, and answers left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import UsageError
from mmcli.evaluation.conformal import level_of, rows_needed
from mmcli.inference.config import UncertaintyConfig
from mmcli.inference.model import TrainedModel
from mmcli.reporting import Reporter
from mmcli.store.columns import Array
from mmcli.tasks.abilities import Abstains, HasParts, PredictsSets, parts_of

if TYPE_CHECKING:
    from mmcli.tasks import Task


class Uncertainty:
    """Adds sets of a coverage to answers, and empties those with a low probability.

    Args:
        model: The model that answers.
        config: What is asked for.
        reporter: Receives a warning if there are too few val rows for the coverage.

    Raises:
        UsageError: The model was not calibrated, or its task does not predict sets or single classes.
    """

    def __init__(self, model: TrainedModel, config: UncertaintyConfig, reporter: Reporter) -> None:
        self.coverage, self.abstain_below = config.coverage, config.abstain_below
        self.calibration_rows: dict[str, int] = {}
        self.levels = {} if self.coverage is None else self._levels(model, self.coverage, reporter)
        self.abstained: Counter[str] = Counter()
        self.rows = 0
        if self.abstain_below is not None and not any(isinstance(part, Abstains) for part in _parts(model).values()):
            raise UsageError(
                f"--abstain-below {self.abstain_below:g}: needs predictions of one class each, which task "
                f"{model.artifact.header['task']} does not make; leave it out"
            )

    def _levels(self, model: TrainedModel, coverage: float, reporter: Reporter) -> dict[str, float]:
        told = f"--coverage {coverage:g}"
        if not 0 < coverage < 1:
            raise UsageError(f"{told}: expected a number between 0 and 1, such as 0.9")
        if not any(isinstance(part, PredictsSets) for part in _parts(model).values()):
            raise UsageError(f"{told}: task {model.artifact.header['task']} does not predict sets; leave it out")
        if model.calibration is None:
            raise UsageError(
                f"{told}: {model.artifact.path} does not know how wrong it is on val rows; train it again with "
                "--calibrate"
            )
        found = {}
        for name, own in model.calibration.targets.items():
            if len(own.scores):
                found[name] = level_of(own.scores, coverage)
                self.calibration_rows[name] = len(own.scores)
                if np.isinf(found[name]):
                    where = f" with {name!r}" if name else ""
                    reporter.warn(
                        f"{told} needs at least {rows_needed(coverage):,} val rows{where}, and the model was "
                        f"calibrated on {len(own.scores):,}: its sets hold all classes, its intervals are unbounded"
                    )
        return found

    def add(self, records: Sequence[dict[str, Any]], task: Task, predictions: Array, known: Array) -> None:
        """Add to the records of predictions (N, …) what was asked for; ``known`` (N,) is false without features.

        ``set`` holds classes, ``interval_low`` and ``interval_high`` are numbers, None if unbounded. A row without
        features has a set of everything and no class.
        """
        self.rows += len(records)
        for name, part, own in _each(task, predictions):
            answers = [record["targets"][name] if isinstance(task, HasParts) else record for record in records]
            if name in self.levels and isinstance(part, PredictsSets):
                levels = np.where(known, self.levels[name], np.inf)
                for answer, held in zip(answers, part.set_records(own, levels), strict=True):
                    answer |= held
            if self.abstain_below is not None and isinstance(part, Abstains):
                below = ~known | (part.confidence(own) < self.abstain_below)
                self.abstained[name] += int(below.sum())
                for answer, withheld in zip(answers, below.tolist(), strict=True):
                    answer |= {**(part.withheld(answer) if withheld else {}), "abstained": withheld}

    def told(self) -> str | None:
        """Return how many answers were left out, as a sentence; None if none were to be."""
        if self.abstain_below is None:
            return None
        parts = [f"{count} of {self.rows}{f' of {name!r}' if name else ''}" for name, count in self.abstained.items()]
        return (
            f"abstained from {', '.join(parts) or '0'} predictions: their probability is below {self.abstain_below:g}"
        )


def _parts(model: TrainedModel) -> Mapping[str, Task]:
    return parts_of(model.task)


def _each(task: Task, predictions: Array) -> Iterator[tuple[str, Task, Array]]:
    """Yield each target's column, ``""`` of a single one, its task and its predictions."""
    if not isinstance(task, HasParts):
        yield "", task, predictions
        return
    for name, own in task.own_predictions(predictions).items():
        yield name, task.parts[name], own
