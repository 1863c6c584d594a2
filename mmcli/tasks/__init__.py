"""Tasks: what is predicted, how targets are encoded, and how predictions are measured."""

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
"""Minimum share of numeric cells in a column of numbers."""


class Task(Protocol):
    """The interface of every registered task, with N rows and K network outputs.

    A prediction is one row of an array (N, …) in a form specific to the task, such as a probability for each class.
    ``link`` says how the network's outputs become predictions: class probabilities, label probabilities, or numbers.
    ``monitor`` names the validation value that selects the best epoch: a metric, or ``loss``. ``smaller_is_better``
    names the metrics to minimise, ``headline`` those shown in summaries, the main one first.

    In ``headline`` and ``smaller_is_better`` a ``*`` matches any text. Optional abilities are in
    ``mmcli.tasks.abilities``. Class constants say what must be known without importing the class: ``target``, the
    source of targets if it is not a ``column``: the row's ``group`` (its id if it has none), or an ``optional`` column,
    None if empty; ``joins_columns``, that several target columns form one target, a mapping of cells by column;
    ``of_networks``, options such as ``loss`` or ``loss=mae`` that set a network's loss; ``model`` and ``method``, the
    defaults of train.
    """

    version: ClassVar[int]
    link: ClassVar[Literal["softmax", "sigmoid", "identity", "several", "embedding", "cluster", "tokens"]]
    monitor: ClassVar[str]
    headline: ClassVar[tuple[str, ...]]
    smaller_is_better: ClassVar[tuple[str, ...]]

    def fault(self, target: Any) -> str | None:
        """Return what was expected if a target can never be valid for this task; None if it can."""

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the possible targets from the train rows."""

    @property
    def out_dim(self) -> int:
        """The number of outputs K."""

    def known(self, target: Any) -> bool:
        """Return whether ``encode`` accepts this target."""

    def encode(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the targets as numbers, (N,) or (N, …).

        Raises:
            MmcliError: One of them is not ``known``.
        """

    def decode(self, encoded: NDArray[Any]) -> list[Any]:
        """Return the targets of encoded numbers; the inverse of ``encode``."""

    def class_weights(self, encoded: NDArray[Any], mode: Literal["none", "balanced", "effective"]) -> Tensor | None:
        """Return the weight of each output in the loss, (K,); None for equal weights.

        Raises:
            MmcliError: The task does not support such weights.
        """

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the scalar to minimise."""

    def predictions(self, outputs: Tensor) -> NDArray[np.float64]:
        """Return the predictions of outputs (N, K), one per row, in the form that ``records`` and ``metrics`` take."""

    def prior(self) -> NDArray[np.float64]:
        """Return the prediction for a row without any feature, in the form of one row of ``predictions``."""

    def records(self, predictions: NDArray[np.float64], known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return one answer per row, as JSON values; ``known`` (N,) is false for a row without features."""

    def metrics(self, predictions: NDArray[np.float64], encoded: NDArray[Any]) -> dict[str, float]:
        """Return finite numbers by metric name, without metrics that are undefined for these rows."""

    def row_scores(self, predictions: NDArray[np.float64], encoded: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return one number per row, (N,), for each metric that is the mean of such numbers, by metric name."""

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return the metrics on these rows of predictions without features, by baseline name."""

    def state(self) -> State:
        """Return the options and the fitted state."""

    def load_state(self, state: State) -> None:
        """Restore what ``state`` returned."""


def mode_of(task: Task, metric: str) -> Literal["min", "max"]:
    """Return whether the best value of a metric, or of ``loss``, is the smallest or the largest."""
    small = metric == "loss" or any(fnmatchcase(metric, pattern) for pattern in task.smaller_is_better)
    return "min" if small else "max"


def infer_task(targets: Sequence[Any]) -> str:
    """Return the name of the task that fits these targets.

    Lists are labels, also if most cells hold them as text; so are words separated by ``|`` in at least one of ten
    cells, if each word occurs twice on average. Other words and booleans are classes, and so are numbers with few
    distinct values: integers with at most 20, or one per ten rows; other numbers with at most 20 that occur twice on
    average. Other columns are numbers if nine in ten nonmissing cells (``NA`` is missing) are.

    Raises:
        MmcliError: There are no targets, or no task fits them.
    """
    if not len(targets):
        raise MmcliError("there are no targets to infer the task from")
    lists = [isinstance(target, list | tuple) for target in targets]
    if any(isinstance(target, dict) for target in targets) or (any(lists) and not all(lists)):
        raise MmcliError(
            f"cannot infer the task from targets such as {_odd(targets)!r}: "
            f"choose it with --task (one of {', '.join(TASKS.names())})"
        )
    if all(lists) or sum(listed(target) is not None for target in targets) * 2 > len(targets) or _parted(targets):
        return "multilabel"
    numbers = numbers_among(targets)
    return "regression" if has_many(set(numbers), len(numbers)) else "classification"


def numbers_among(targets: Sequence[Any]) -> list[float]:
    """Return the numbers of a numeric column; none if more than a tenth of its cells hold something else.

    Cells such as ``NA`` are missing values.
    """
    told = [target for target in targets if not says_nothing(target)]
    numbers = [number for target in told if (number := number_of(target)) is not None]
    return numbers if len(numbers) >= MOST * len(told) else []


def has_many(different: Collection[float], rows: int) -> bool:
    """Return whether there are too many distinct numbers in this many rows for classes."""
    whole = all(number == round(number) for number in different)
    return len(different) > (max(FEW_DISTINCT, rows // 10) if whole else min(FEW_DISTINCT, rows // 2))


def says_nothing(target: Any) -> bool:
    """Return whether a cell of a numeric column is empty or a missing value such as ``NA``."""
    if target is None or target != target:
        return True
    if not isinstance(target, str):
        return False
    try:
        return cell_number(target, "") is None
    except UnusableError:
        return False


def number_of(target: Any) -> float | None:
    """Return a target, or its text, as a finite number; None if it is not one."""
    if isinstance(target, bool | np.bool_):
        return None
    if isinstance(target, str):
        try:
            return cell_number(target, "")
        except UnusableError:
            if not target.isascii() or "_" in target:
                return None  # a number only to Python; too large for cells is fine for targets
    try:
        number = float(target)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _odd(targets: Sequence[Any]) -> Any:
    return next(target for target in targets if isinstance(target, dict | list | tuple))


def _parted(targets: Sequence[Any]) -> bool:
    """Return whether cells hold several words each of a small vocabulary."""
    cells = [[part.strip() for part in str(target).split("|") if part.strip()] for target in targets]
    several = sum(len(parts) > 1 for parts in cells)
    words = [part for parts in cells for part in parts]
    return several > 0 and several * 10 >= len(cells) and len(set(words)) * 2 <= len(words)
