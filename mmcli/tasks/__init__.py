"""Tasks: what is predicted, how targets become numbers, and how well predictions did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmcli.errors import MmcliError
from mmcli.registry import TASKS
from mmcli.store.state import State

FEW_DISTINCT = 20


class Task(Protocol):
    """What every registered task offers; N rows, K outputs of the network.

    ``monitor`` names the validation value that says which epoch is best, ``mode`` whether it should be small
    or large. ``link`` says what makes predictions of the network's outputs: class probabilities, those of several
    labels, or numbers.
    """

    version: ClassVar[int]
    link: ClassVar[Literal["softmax", "sigmoid", "identity"]]
    monitor: ClassVar[str]
    mode: ClassVar[Literal["min", "max"]]

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the possible targets from those of the train rows."""

    @property
    def out_dim(self) -> int:
        """The number of outputs K."""

    def known(self, target: Any) -> bool:
        """Return whether ``encode`` takes this target."""

    def encode(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the targets as numbers.

        Raises:
            MmcliError: One of them is not ``known``.
        """

    def decode(self, encoded: NDArray[Any]) -> list[Any]:
        """Return the targets that ``encode`` made numbers of."""

    def class_weights(self, encoded: NDArray[Any], mode: Literal["none", "balanced"]) -> Tensor | None:
        """Return the weight of each output in the loss, (K,); None for equal weights."""

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the scalar to minimise."""

    def probabilities(self, outputs: Tensor) -> NDArray[np.float64]:
        """Return what the outputs (N, K) say, in the form that ``records`` and ``metrics`` take."""

    def prior(self) -> NDArray[np.float64]:
        """Return what is known of a row without any feature, in the form of one row of ``probabilities``."""

    def records(self, probabilities: NDArray[np.float64]) -> list[dict[str, Any]]:
        """Return one prediction a row, as JSON values."""

    def metrics(self, probabilities: NDArray[np.float64], encoded: NDArray[Any]) -> dict[str, float]:
        """Return finite numbers by metric name, without those that the rows leave undefined."""

    def row_scores(self, probabilities: NDArray[np.float64], encoded: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return one number a row, (N,), for each metric that is the mean of such numbers, by metric name."""

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return the metrics on these rows of predictions that look at no feature, by baseline name."""

    def confusion(self, probabilities: NDArray[np.float64], encoded: NDArray[Any]) -> NDArray[np.int64]:
        """Return counts (K, K): a row for each true target, a column for each predicted one."""

    def state(self) -> State:
        """Return what ``fit`` learnt."""

    def load_state(self, state: State) -> None:
        """Take over what an earlier ``fit`` learnt."""


def infer_task(targets: Sequence[Any]) -> str:
    """Return the name of the task that targets of this form are for.

    Words and booleans are classes, and so are numbers where few are different: of whole ones at most 20, or
    one in ten rows; of others at most 20, each there twice on average.

    Raises:
        MmcliError: There are no targets, or their form says too little.
    """
    if not len(targets):
        raise MmcliError("there are no targets to tell the task from")
    distinct = {str(target) for target in targets}
    numbers = [_number(target) for target in targets]
    whole = all(number is not None and number == round(number) for number in numbers)
    few = max(FEW_DISTINCT, len(targets) // 10) if whole else min(FEW_DISTINCT, len(targets) // 2)
    lists = any(isinstance(target, list | tuple | dict) for target in targets)
    if not lists and (None in numbers or len(distinct) <= few):
        return "classification"
    kind = "lists" if lists else "different numbers"
    raise MmcliError(
        f"the targets are {len(distinct)} {kind}, such as {targets[0]!r}: "
        f"say with --task what to make of them (there are: {', '.join(TASKS.names())})"
    )


def _number(target: Any) -> float | None:
    if isinstance(target, bool | np.bool_):
        return None
    try:
        number = float(target)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
