"""The number of a prediction that is explained: the probability of a class or label, or a predicted value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import UsageError, unknown_name
from mmcli.tasks.abilities import HasParts, HasScores

if TYPE_CHECKING:
    from mmcli.tasks import Task

Floats = NDArray[np.float64]
_OPTION = "--explain-target"


class Score:
    """Picks a number of every prediction.

    Args:
        task: The model's task.
        name: The task of the model, for messages.
        asked: A class, a label or, with several targets, TARGET or TARGET=LABEL; None means what is predicted, of the
            first target.

    Raises:
        UsageError: Predictions are not made of such numbers, or there is no such class, label or target.
    """

    def __init__(self, task: Task, name: str, asked: str | None = None) -> None:
        self.task = task
        self.target: str | None = None
        part: Task = task
        label = asked
        if isinstance(task, HasParts):
            self.target, label = _target_and_label(task, asked)
            part = task.parts[self.target]
        if not isinstance(part, HasScores):
            raise UsageError(
                f"--explain inputs: predictions of the task {name} are not numbers of one class, label or value"
            )
        self.part: HasScores = part
        self.names = part.score_names()
        if label is not None and label not in self.names:
            raise unknown_name(f"class or label in {_OPTION}", label, self.names)
        self._fixed = None if label is None else self.names.index(label)

    def _own(self, predictions: Floats) -> Floats:
        if self.target is None:
            return predictions
        assert isinstance(self.task, HasParts)
        return self.task.own_predictions(predictions)[self.target]

    def chosen(self, predictions: Floats) -> NDArray[np.int64]:
        """Return which number of each row is explained, (N,)."""
        if self._fixed is not None:
            return np.full(len(predictions), self._fixed, np.int64)
        return self.part.main_scores(self._own(predictions))

    def of(self, predictions: Floats, chosen: NDArray[np.int64]) -> Floats:
        """Return the chosen number of each row, (N,)."""
        found: Floats = self.part.scores(self._own(predictions))[np.arange(len(chosen)), chosen]
        return found

    def name(self, chosen: int) -> str:
        """Return the name of a number: a class, a label or ``value``, after its target if there are several."""
        return self.names[chosen] if self.target is None else f"{self.target}={self.names[chosen]}"


def _target_and_label(task: HasParts, asked: str | None) -> tuple[str, str | None]:
    targets = list(task.parts)
    if asked is None:
        return targets[0], None
    target, _, label = asked.partition("=")
    if asked in targets or target not in targets:
        target, label = asked, ""
    if target not in targets:
        raise unknown_name(f"target in {_OPTION}", target, targets)
    return target, label or None
