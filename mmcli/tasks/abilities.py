"""Optional abilities of tasks, one type each, tested with ``isinstance``.

N rows, K outputs of the network; predictions and encoded targets as a task's own methods return them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmcli.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


@runtime_checkable
class HasParts(Protocol):
    """Consists of one task per target column."""

    parts: Mapping[str, Task]

    def own_targets(self, encoded: NDArray[Any]) -> dict[str, tuple[NDArray[np.intp], NDArray[Any]]]:
        """Return by column the rows that have the target, and the target as its task encodes it."""

    def own_predictions(self, predictions: Floats) -> dict[str, Floats]:
        """Return by column the predictions of its task, (N, …)."""

    def by_target(self, predictions: Floats, encoded: Any) -> dict[str, tuple[Task, Floats, NDArray[Any]]]:
        """Return by column the task, and the predictions and targets of the rows with that target, if any."""

    def counts(self, encoded: Any) -> dict[str, int]:
        """Return the number of rows with each target."""

    def measures(self, target: Any) -> bool:
        """Return whether any of its tasks can measure a row with this target."""

    def unknown(self, target: Any) -> list[str]:
        """Return the unseen classes of a target."""


@runtime_checkable
class Tunes(Protocol):
    """Chooses something on the val rows once the network is trained."""

    def tune(self, predictions: Floats, encoded: Any) -> Task:
        """Return the task with the choice made on these val rows."""


@runtime_checkable
class EncodesClasses(Protocol):
    """``encode`` gives the index of one class per row."""

    encodes_classes: bool


@runtime_checkable
class SkipsUnknown(Protocol):
    """Counts a row of an unseen class as wrong, except in these metrics, which ignore such rows."""

    skipped_if_unseen: tuple[str, ...]


@runtime_checkable
class FindsUnseen(Protocol):
    """Accepts targets with parts that no train row has."""

    def unseen(self, targets: Sequence[Any]) -> list[str]:
        """Return these parts."""


@runtime_checkable
class ReadsNumbers(Protocol):
    """Its targets may be a numeric column."""

    reads_numbers: bool


@runtime_checkable
class TakesEmpty(Protocol):
    """Can accept an empty cell as a target."""

    def take_empty(self) -> None:
        """Accept empty cells from now on."""


@runtime_checkable
class HasPositive(Protocol):
    """Has a positive class if there are two."""

    positive: str | None

    def take_positive(self, label: str) -> None:
        """Set the positive class.

        Raises:
            UsageError: There are not two classes, or it is not one of them.
        """


@runtime_checkable
class LearnsNumbers(Protocol):
    """Its outputs are numbers, which other models than networks can learn too."""

    levels: Sequence[float]

    def wanted(self, encoded: Any) -> Floats:
        """Return the outputs that predict exactly these targets."""


@runtime_checkable
class Writes(Protocol):
    """Writes texts; trained by teacher forcing on the log probability of every token."""

    decoder: Mapping[str, Any]

    def taught_sums(self, outputs: Tensor, encoded: Tensor) -> Tensor:
        """Return the metric sums of a batch."""

    def taught_values(self, sums: Tensor) -> dict[str, float]:
        """Return the values of all sums, which training reports instead of metrics."""


@runtime_checkable
class ComparesModalities(Protocol):
    """Compares modalities with each other."""

    def take_modalities(self, names: Sequence[str]) -> None:
        """Set all source modalities, sorted; called before ``fit``.

        Raises:
            MmcliError: There are too few.
        """


@runtime_checkable
class HasReferences(Protocol):
    """Its metrics need more of a target than ``encode`` keeps."""

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the input of metrics, baselines and draws instead of encoded targets, (N,)."""


@runtime_checkable
class DrawsMetrics(Protocol):
    """Has metrics of resampled rows, from which confidence intervals are computed."""

    def metrics_of_draws(self, predictions: Floats, encoded: Any, counts: NDArray[np.int64]) -> dict[str, Floats]:
        """Return metrics (D,) of draws in which each row occurs ``counts`` (D, N) times; NaN if undefined."""


@runtime_checkable
class MergesRows(Protocol):
    """Several rows can be one sample."""

    def merged(
        self, predictions: Floats, targets: Sequence[Any], groups: Sequence[Any]
    ) -> tuple[NDArray[Any], list[Any]]:
        """Return one row per sample, (S,), and their merged targets."""


@runtime_checkable
class HasTables(Protocol):
    """Has tables to show."""

    def tables(self, predictions: Floats, encoded: Any) -> dict[str, Any]:
        """Return JSON values by name, each of which becomes a file of evaluate's report."""


@runtime_checkable
class ScoresClasses(Protocol):
    """Has scores for each class or label."""

    def by_class(self, predictions: Floats, encoded: Any) -> dict[str, Any]:
        """Return precision, recall, F1 and rows of each, by name."""


@runtime_checkable
class GivesProbabilities(Protocol):
    """Its predictions are the probability of each class or label, (N, K)."""

    def truths(self, encoded: Any) -> tuple[list[str], NDArray[np.bool_]]:
        """Return the classes or labels, and whether each row has each, (N, K)."""


@runtime_checkable
class PredictsSets(Protocol):
    """Can say how badly a target fits a prediction, and give the set, or interval, of targets that fit up to a level.

    Levels (N,) are one per row; every target fits up to an infinite one.
    """

    set_measure: str
    """What ``set_sizes`` are: ``size``, the number of classes, or ``width``."""

    def conformal_scores(self, predictions: Floats, encoded: Any) -> Floats:
        """Return the score of each row's target, (N,), larger for a worse fit; infinite for an unseen class."""

    def covered(self, predictions: Floats, encoded: Any, levels: Floats) -> NDArray[np.bool_]:
        """Return whether each row's target is in its set, (N,)."""

    def set_sizes(self, predictions: Floats, levels: Floats) -> Floats:
        """Return the size of each row's set, (N,)."""

    def set_records(self, predictions: Floats, levels: Floats) -> list[dict[str, Any]]:
        """Return each row's set as JSON values, to add to its record."""

    def rows_by_class(self, encoded: Any) -> dict[str, NDArray[np.bool_]]:
        """Return which rows have each class or label, (N,), by name; without those that no row has."""


@runtime_checkable
class Abstains(Protocol):
    """Answers with one class, and can leave it out; ``row_scores`` has ``accuracy``."""

    def confidence(self, predictions: Floats) -> Floats:
        """Return the probability of each row's predicted class, (N,)."""

    def withheld(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record without the predicted class."""


@runtime_checkable
class HasBaselinesBeside(Protocol):
    """Has baselines that depend on the predictions' items."""

    def baselines_beside(self, predictions: Floats, encoded: Any) -> dict[str, dict[str, float]]:
        """Return their metrics, by baseline."""


@runtime_checkable
class HasMeaning(Protocol):
    """Its predictions may mean the same in several models, and can then be measured together."""

    def meaning(self) -> Any:
        """Return a value that is equal for such models; None if there is none."""


@runtime_checkable
class HasOutcomes(Protocol):
    """Predicts some of a fixed set of names; models with different sets cannot be compared."""

    def outcomes(self) -> Sequence[str]:
        """Return the names, such as those of classes."""


@runtime_checkable
class HasExamples(Protocol):
    """Has answers for people to read."""

    def example(self, record: Mapping[str, Any], target: Any) -> tuple[str | None, list[str]]:
        """Return the predicted text and the true ones."""


@runtime_checkable
class HasScores(Protocol):
    """Its answers follow from one number, or one per class or label, each of which can be explained."""

    def score_names(self) -> list[str]:
        """Return the name of each of the S numbers: a class, a label, or ``value``."""

    def scores(self, predictions: Floats) -> Floats:
        """Return the numbers, (N, S)."""

    def main_scores(self, predictions: Floats) -> NDArray[np.int64]:
        """Return the index of the number that each row's answer is about, (N,)."""


def parts_of(task: Task, columns: Sequence[str] = ("",)) -> Mapping[str, Task]:
    """Return the task of each target: a task's parts, or the task itself for the first of ``columns``."""
    return task.parts if isinstance(task, HasParts) else dict.fromkeys(columns[:1], task)


def encodes_classes(task: Task) -> bool:
    """Return whether a task's encoded targets are the indexes of classes."""
    return isinstance(task, EncodesClasses) and task.encodes_classes


def measures(task: Task, target: Any) -> bool:
    """Return whether a task can measure this target: a known one, or a class that it counts as wrong."""
    if isinstance(task, HasParts):
        return task.measures(target)
    return task.known(target) or (isinstance(task, SkipsUnknown) and task.fault(target) is None)
