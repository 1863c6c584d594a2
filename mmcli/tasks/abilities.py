"""What only some tasks can: each ability a type, asked for with ``isinstance``.

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
    """Consists of tasks of several targets, by column."""

    parts: Mapping[str, Task]

    def own_targets(self, encoded: NDArray[Any]) -> dict[str, tuple[NDArray[np.intp], NDArray[Any]]]:
        """Return by column the rows that have the target, and it as its task encodes it."""

    def by_target(self, predictions: Floats, encoded: Any) -> dict[str, tuple[Task, Floats, NDArray[Any]]]:
        """Return by column the task, and the predictions and targets of the rows that have it, if there are any."""

    def counts(self, encoded: Any) -> dict[str, int]:
        """Return how many rows have each target."""

    def measures(self, target: Any) -> bool:
        """Return whether any of its tasks can measure a row with this target."""

    def unknown(self, target: Any) -> list[str]:
        """Return the classes of a target that no train row has."""


@runtime_checkable
class Tunes(Protocol):
    """Has something to choose once the network is trained."""

    def tune(self, predictions: Floats, encoded: Any) -> Task:
        """Return the task as it is after a look at the val rows."""


@runtime_checkable
class EncodesClasses(Protocol):
    """``encode`` gives the index of one class a row."""

    encodes_classes: bool


@runtime_checkable
class SkipsUnknown(Protocol):
    """Counts a row of a class that no train row has as wrong, but in these metrics, which leave such rows out."""

    skipped_if_unseen: tuple[str, ...]


@runtime_checkable
class FindsUnseen(Protocol):
    """Takes a target of which no train row had a part."""

    def unseen(self, targets: Sequence[Any]) -> list[str]:
        """Return these parts."""


@runtime_checkable
class ReadsNumbers(Protocol):
    """Can have a column of numbers for its targets."""

    reads_numbers: bool


@runtime_checkable
class TakesEmpty(Protocol):
    """An empty cell can be a target."""

    def take_empty(self) -> None:
        """Take it from now on."""


@runtime_checkable
class HasPositive(Protocol):
    """One of its classes, where there are two, is the positive one."""

    positive: str | None

    def take_positive(self, label: str) -> None:
        """Let another be it.

        Raises:
            UsageError: There are not two classes, or it is none of them.
        """


@runtime_checkable
class LearnsNumbers(Protocol):
    """Outputs are numbers, which other models than networks can learn, too."""

    levels: Sequence[float]

    def wanted(self, encoded: Any) -> Floats:
        """Return the outputs that say exactly these targets."""


@runtime_checkable
class Writes(Protocol):
    """Writes texts: learns from the log probabilities of every token, each told the true ones before it."""

    decoder: Mapping[str, Any]

    def taught_sums(self, outputs: Tensor, encoded: Tensor) -> Tensor:
        """Return the sums of a batch."""

    def taught_values(self, sums: Tensor) -> dict[str, float]:
        """Return what training is shown of all sums, in place of metrics."""


@runtime_checkable
class ComparesModalities(Protocol):
    """Measures modalities against each other."""

    def take_modalities(self, names: Sequence[str]) -> None:
        """Learn, before ``fit``, all source modalities, sorted.

        Raises:
            MmcliError: They are too few.
        """


@runtime_checkable
class HasReferences(Protocol):
    """Measures more of a target than ``encode`` keeps."""

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return what metrics, baselines and draws take in place of encoded targets, (N,)."""


@runtime_checkable
class DrawsMetrics(Protocol):
    """Has metrics of drawn rows, from which their intervals come."""

    def metrics_of_draws(self, predictions: Floats, encoded: Any, counts: NDArray[np.int64]) -> dict[str, Floats]:
        """Return metrics (D,), every row being there as often as ``counts`` (D, N) say; NaN where undefined."""


@runtime_checkable
class MergesRows(Protocol):
    """Several rows can be one sample."""

    def merged(
        self, predictions: Floats, targets: Sequence[Any], groups: Sequence[Any]
    ) -> tuple[NDArray[Any], list[Any]]:
        """Return the rows that stand for all, (S,), and their targets."""


@runtime_checkable
class HasTables(Protocol):
    """Has tables to show."""

    def tables(self, predictions: Floats, encoded: Any) -> dict[str, Any]:
        """Return JSON values by name, each a file of evaluate's report."""


@runtime_checkable
class ScoresClasses(Protocol):
    """Has classes or labels with scores of their own."""

    def by_class(self, predictions: Floats, encoded: Any) -> dict[str, Any]:
        """Return precision, recall, F1 and rows of each, by name."""


@runtime_checkable
class HasBaselinesBeside(Protocol):
    """Has baselines that depend on what is there to be predicted."""

    def baselines_beside(self, predictions: Floats, encoded: Any) -> dict[str, dict[str, float]]:
        """Return their metrics, by baseline."""


@runtime_checkable
class HasMeaning(Protocol):
    """Predictions can mean the same in several models, and then be measured together."""

    def meaning(self) -> Any:
        """Return what is equal in such models; None if nothing is."""


@runtime_checkable
class HasExamples(Protocol):
    """Has answers to look at."""

    def example(self, record: Mapping[str, Any], target: Any) -> tuple[str | None, list[str]]:
        """Return the text that is predicted, and those that are true."""


def parts_of(task: Task, columns: Sequence[str] = ("",)) -> Mapping[str, Task]:
    """Return the tasks of each target: those a task consists of, or itself for the first of ``columns``."""
    return task.parts if isinstance(task, HasParts) else dict.fromkeys(columns[:1], task)


def encodes_classes(task: Task) -> bool:
    """Return whether a task's encoded targets are the indexes of classes."""
    return isinstance(task, EncodesClasses) and task.encodes_classes


def measures(task: Task, target: Any) -> bool:
    """Return whether a task can measure a row with this target: one it knows, or a class that it counts as wrong."""
    if isinstance(task, HasParts):
        return task.measures(target)
    return task.known(target) or (isinstance(task, SkipsUnknown) and task.fault(target) is None)
