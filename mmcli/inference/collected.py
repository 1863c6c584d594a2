"""What an evaluation collects of the rows it measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmcli.store.columns import Array


@dataclass(frozen=True)
class Answers:
    """The predictions for N samples beside their targets.

    Args:
        rows: The row that stands for each sample, (N,).
        predictions: (N, …).
        targets: The targets as the rows have them.
        wanted: The targets as the task's metrics take them, (N, …).
        groups: The group of each sample, whose samples are drawn together; None if there are no groups.
    """

    rows: Array
    predictions: Array
    targets: Sequence[Any]
    wanted: Array
    groups: Sequence[str | None] | None


@dataclass
class Collected:
    """Predictions for every measured row, with the chosen modalities and with each subset."""

    targets: list[Any] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    cells: dict[str, list[Any]] = field(default_factory=dict)
    known: list[Array] = field(default_factory=list)
    whole: list[Array] = field(default_factory=list)
    parts: dict[str, list[Array]] = field(default_factory=dict)
    without_target: int = 0
    odd: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_targets: int = 0
    unseen: list[str] = field(default_factory=list)
