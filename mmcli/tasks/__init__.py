"""Tasks: what is predicted, how targets become numbers, and how well predictions did."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import MmcliError, UnusableError
from mmcli.registry import TASKS
from mmcli.store.cells import cell_number
from mmcli.store.labels import listed
from mmcli.store.state import State

if TYPE_CHECKING:
    from torch import Tensor

FEW_DISTINCT = 20
MOST = 0.9
"""The share of cells that must be numbers for a column to be one of numbers."""


class Task(Protocol):
    """What every registered task offers; N rows, K outputs of the network.

    A prediction is one row of an array (N, …) in a form of the task's own, such as a probability for each class.
    ``link`` says what makes predictions of the network's outputs: class probabilities, those of several labels, or
    numbers. ``monitor`` names the validation value that says which epoch is best: a metric, or ``loss``.
    ``smaller_is_better`` names the metrics of which that is so, ``headline`` those that are shown where there is no
    room for all, the main one first.

    ``encodes_classes``, a constant of the class, says that ``encode`` gives the index of one class a row. In
    ``headline`` and ``smaller_is_better`` a ``*`` stands for any text. ``target``, a constant of the class, says where
    targets come from if not from a ``column``: from the row's ``group``, or its id without one, or from an ``optional``
    column, None where it is empty. ``joins_columns``, likewise, says that several target columns are one target, their
    cells by column.

    ``of_networks``, likewise, names options, as ``loss`` or ``loss=mae``, that say what a network minimises; where
    another kind of model is asked for they are refused. ``model`` is what train makes where none is named, if not a
    network. A task of numbers has ``wanted(encoded)``, the outputs that say exactly these, for models that learn them,
    and ``levels``, the quantiles that outputs are, if they are.

    A task that has something to choose once the network is trained also has ``tune(predictions, encoded)``, which
    returns the task as it is after a look at the val rows. One that takes a target of which no train row had a part
    has ``unseen(targets)``, which returns these parts. One that has tables to show has ``tables(predictions,
    encoded)``, which returns JSON values by name, each a file of evaluate's report. One whose predictions are class
    probabilities has ``decide(predictions)``, which returns the index of each row's predicted class; another, or one
    whose classes are measured otherwise, has ``metrics_of_draws(predictions, encoded, counts)``, which returns the
    metrics that get intervals, (D,) each, where every row is there as often as counts (D, N) say; NaN where a draw
    leaves one undefined.

    One that measures modalities against each other has ``take_modalities(names)``, called before ``fit`` with all
    source modalities, sorted, and ``method``, a constant of the class, is the fusion where none is named. One whose
    baselines depend on what is there to be predicted has ``baselines_beside(predictions, encoded)``.

    One has ``meaning()`` whose predictions mean the same in models for which it returns equal values: they can be
    measured together. One whose targets are more than ``encode`` keeps has ``references(targets)``, which returns what
    metrics, baselines and draws take in its place, an array of N. One that counts a row of a class of no train row as
    wrong has ``skipped_if_unseen``, the metrics that leave such rows out, and its ``references`` take them; with
    ``indexes(references)``, where its classes are measured as others are. One with classes or labels has
    ``by_class(predictions, encoded)``, which returns precision, recall, F1 and rows of each by name. One of two classes
    has ``positive``, and ``take_positive(label)``. One whose targets are a column of numbers has ``reads_numbers``,
    and one for which an empty cell can be a target ``take_empty()``. One of which several rows are one sample has
    ``merged(predictions, targets, groups)``, which returns the rows that stand for all, (N,), and their targets. One
    that consists of tasks has ``parts``, these by name, ``by_target(predictions, encoded)``, which returns by name the
    task and what is its own of both, and ``counts(encoded)``, how many rows have each.

    One whose link is ``tokens`` writes texts: ``decoder`` is what the network's decoder needs to know. It learns from
    the log probabilities of every token of every text, (S, V), each told the true ones before it; in place of metrics
    training is shown ``taught_values(sums)`` of the sums that ``taught_sums(outputs, encoded)`` returns of each batch.
    One with answers to look at has ``example(record, target)``, which returns the text that is predicted and those
    that are true.
    """

    version: ClassVar[int]
    link: ClassVar[Literal["softmax", "sigmoid", "identity", "several", "embedding", "cluster", "tokens"]]
    monitor: ClassVar[str]
    headline: ClassVar[tuple[str, ...]]
    smaller_is_better: ClassVar[tuple[str, ...]]

    def fault(self, target: Any) -> str | None:
        """Return what a target should be, where it is none that this task could ever take."""

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the possible targets from those of the train rows."""

    @property
    def out_dim(self) -> int:
        """The number of outputs K."""

    def known(self, target: Any) -> bool:
        """Return whether ``encode`` takes this target."""

    def encode(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the targets as numbers, (N,) or (N, …).

        Raises:
            MmcliError: One of them is not ``known``.
        """

    def decode(self, encoded: NDArray[Any]) -> list[Any]:
        """Return the targets that ``encode`` made numbers of."""

    def class_weights(self, encoded: NDArray[Any], mode: Literal["none", "balanced", "effective"]) -> Tensor | None:
        """Return the weight of each output in the loss, (K,); None for equal weights.

        Raises:
            MmcliError: The task has no such weights.
        """

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the scalar to minimise."""

    def predictions(self, outputs: Tensor) -> NDArray[np.float64]:
        """Return what the outputs (N, K) say, a row each, in the form that ``records`` and ``metrics`` take."""

    def prior(self) -> NDArray[np.float64]:
        """Return what is known of a row without any feature, in the form of one row of ``predictions``."""

    def records(self, predictions: NDArray[np.float64], known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return one answer a row, as JSON values; ``known`` (N,) is false where a row had no feature."""

    def metrics(self, predictions: NDArray[np.float64], encoded: NDArray[Any]) -> dict[str, float]:
        """Return finite numbers by metric name, without those that the rows leave undefined."""

    def row_scores(self, predictions: NDArray[np.float64], encoded: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return one number a row, (N,), for each metric that is the mean of such numbers, by metric name."""

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return the metrics on these rows of predictions that look at no feature, by baseline name."""

    def state(self) -> State:
        """Return the options and what was learnt."""

    def load_state(self, state: State) -> None:
        """Take over what ``state`` returned."""


def mode_of(task: Task, metric: str) -> Literal["min", "max"]:
    """Return whether the best value of a metric, or of ``loss``, is the smallest or the largest."""
    small = metric == "loss" or any(fnmatchcase(metric, pattern) for pattern in task.smaller_is_better)
    return "min" if small else "max"


def measures(task: Task, target: Any) -> bool:
    """Return whether a task can measure a row with this target: one it knows, or a class that it counts as wrong."""
    of_parts = getattr(task, "measures", None)
    if of_parts is not None:
        return bool(of_parts(target))
    return task.known(target) or (hasattr(task, "skipped_if_unseen") and task.fault(target) is None)


def infer_task(targets: Sequence[Any]) -> str:
    """Return the name of the task that targets of this form are for.

    Lists are labels, also where most cells hold them as text, and so are words parted by ``|`` in one of ten cells or
    more, if each word is there twice on average. Other words and booleans are classes, and so are numbers where few are
    different: of whole ones at most 20, or one in ten rows; of others at most 20, each there twice on average. Other
    numbers are numbers, where nine in ten cells that say something (``NA`` says nothing) are some.

    Raises:
        MmcliError: There are no targets, or their form says too little.
    """
    if not len(targets):
        raise MmcliError("there are no targets to tell the task from")
    lists = [isinstance(target, list | tuple) for target in targets]
    if any(isinstance(target, dict) for target in targets) or (any(lists) and not all(lists)):
        raise MmcliError(
            f"the targets have forms of which no task is known, such as {_odd(targets)!r}: "
            f"say with --task what to make of them (there are: {', '.join(TASKS.names())})"
        )
    if all(lists) or sum(listed(target) is not None for target in targets) * 2 > len(targets) or _parted(targets):
        return "multilabel"
    numbers = numbers_among(targets)
    return "regression" if has_many(set(numbers), len(numbers)) else "classification"


def numbers_among(targets: Sequence[Any]) -> list[float]:
    """Return the numbers of a column of numbers; none of one that holds other things in more than a tenth of its cells.

    Cells such as ``NA`` say nothing.
    """
    told = [target for target in targets if not says_nothing(target)]
    numbers = [number for target in told if (number := number_of(target)) is not None]
    return numbers if len(numbers) >= MOST * len(told) else []


def has_many(different: Collection[float], rows: int) -> bool:
    """Return whether so many different numbers in so many rows are no classes."""
    whole = all(number == round(number) for number in different)
    return len(different) > (max(FEW_DISTINCT, rows // 10) if whole else min(FEW_DISTINCT, rows // 2))


def says_nothing(target: Any) -> bool:
    """Return whether a cell of a column of numbers is empty, or says that it is, as ``NA`` does."""
    if target is None or target != target:
        return True
    if not isinstance(target, str):
        return False
    try:
        return cell_number(target, "") is None
    except UnusableError:
        return False


def number_of(target: Any) -> float | None:
    """Return the finite number that a target is or that its text says; None where it is no such number."""
    if isinstance(target, bool | np.bool_):
        return None
    if isinstance(target, str):
        try:
            return cell_number(target, "")
        except UnusableError:
            if not target.isascii() or "_" in target:
                return None  # what only Python takes for a number; others may be too large for cells, not for targets
    try:
        number = float(target)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _odd(targets: Sequence[Any]) -> Any:
    return next(target for target in targets if isinstance(target, dict | list | tuple))


def _parted(targets: Sequence[Any]) -> bool:
    """Return whether cells hold several of a small set of words."""
    cells = [[part.strip() for part in str(target).split("|") if part.strip()] for target in targets]
    several = sum(len(parts) > 1 for parts in cells)
    words = [part for parts in cells for part in parts]
    return several > 0 and several * 10 >= len(cells) and len(set(words)) * 2 <= len(words)
