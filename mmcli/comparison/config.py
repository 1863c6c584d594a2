"""The options of compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmcli.options import option, part
from mmcli.training.config import TrainConfig

_COMPARISON = "Comparison"


@dataclass(frozen=True)
class CompareConfig:
    """The options of compare: most of those of train, and what to compare."""

    method: Sequence[str] = option(
        (), group=_COMPARISON, metavar="METHOD", default_text="each modality alone, and every method",
        help="Fusion method to compare. Repeatable.",
    )  # fmt: skip
    seeds: str = option(
        "5", group=_COMPARISON, metavar="N|N,N,…",
        help="Number of seeds, starting at --seed, or a list such as 0,1,2, which replaces --seed.",
    )  # fmt: skip
    metric: str | None = option(
        None, group=_COMPARISON, metavar="METRIC", default_text="the task's main metric, such as accuracy",
        help="Metric to rank the methods by; docs/tasks.md lists the metrics of each task.",
    )  # fmt: skip
    keep: Path | None = option(
        None, group=_COMPARISON, metavar="FOLDER",
        help="Save one model per method in this folder: that of the seed that is best on val.",
    )  # fmt: skip
    train: TrainConfig = part(TrainConfig, without=("method", "folds", "keep"))
