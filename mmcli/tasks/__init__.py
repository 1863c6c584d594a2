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

    In ``headline`` and ``smaller_is_better`` a ``*`` stands for any text. What only some tasks can is in
    ``mmcli.tasks.abilities``. Constants of the class say what must be known without importing it: ``target``, where
    targets come from if not from a ``column``: from the row's ``group``, or its id without one, or from an ``optional``
    column, None if it is empty; ``joins_columns``, that several target columns are one target, their cells by
    column; ``of_networks``, options, as ``loss`` or ``loss=mae``, that say what a network minimises; ``model`` and
    ``method``, what train takes where none is named.
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
        """Restore what ``state`` returned."""


def mode_of(task: Task, metric: str) -> Literal["min", "max"]:
    """Return whether the best value of a metric, or of ``loss``, is the smallest or the largest."""
    small = metric == "loss" or any(fnmatchcase(metric, pattern) for pattern in task.smaller_is_better)
    return "min" if small else "max"


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
    """Return the finite number that a target is or that its text says; None if it is no such number."""
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
