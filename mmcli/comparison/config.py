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
    """The options of compare: those of every training, and which trainings to do."""

    method: Sequence[str] = option(
        (), group=_COMPARISON, default_text="each modality alone, and every method",
        help="Fusion method to compare. Repeatable.",
    )  # fmt: skip
    seeds: str = option("5", group=_COMPARISON, help="Number of seeds, counted from --seed, or a list such as 0,1,2.")
    metric: str | None = option(
        None, group=_COMPARISON, default_text="the task's main metric", help="Metric to rank the methods by."
    )
    keep: Path | None = option(
        None, group=_COMPARISON, help="Folder to keep one model of each method in: that of its best seed on val."
    )
    train: TrainConfig = part(TrainConfig, without=("method", "folds", "keep"))
