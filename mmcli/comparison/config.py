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
    """What compare can be told: what every training is told, and which there are."""

    method: Sequence[str] = option(
        (), group=_COMPARISON, default_text="each modality alone, and every method", help="Fusion method. Repeatable."
    )
    seeds: str = option("5", group=_COMPARISON, help="Number of seeds, counted from --seed, or a list such as 0,1,2.")
    metric: str | None = option(
        None, group=_COMPARISON, default_text="the task's main metric", help="Metric that ranks the methods."
    )
    keep: Path | None = option(
        None, group=_COMPARISON, help="Folder for one model of each method: that of its best seed on val."
    )
    train: TrainConfig = part(TrainConfig, without=("method", "folds", "keep"))
