"""The options of evaluate and predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmcli.options import option, part
from mmcli.store.sources.dialect import TableText

_ROWS, _RESULT, _RETRIEVAL = "Rows", "Result", "Retrieval models"
PLACE = "{}"
"""The placeholder for a label's name in a template."""


@dataclass(frozen=True)
class RowsConfig:
    """How the rows of a source are read."""

    root: str | None = option(
        None, group="Files", default_text="the table's folder",
        help="Folder or URL to which file paths in the table are relative.",
    )  # fmt: skip
    limit: int | None = option(None, least=1, group=_ROWS, help="Use only the first N rows.")
    seed: int = option(0, group=_ROWS, help="Random seed.")
    written: TableText = part(TableText)


@dataclass(frozen=True)
class LookConfig:
    """Which inputs of the rows a model gets."""

    modalities: Sequence[str] = option(
        (), group=_ROWS, help="Comma-separated modalities to use; the others are treated as missing. Repeatable."
    )
    tensor: Sequence[str] = option(
        (), group="Files", rare=True,
        help="NAME=FILE: array with the new rows, for a modality that was trained on an array; NAME=none treats it as "
        "missing. Repeatable.",
    )  # fmt: skip


@dataclass(frozen=True)
class EvaluateConfig:
    """The options of evaluate."""

    split: str = option("test", group=_ROWS, help="Split to evaluate: train, val, test or all.")
    target: str | None = option(
        None, group=_ROWS, default_text="the column trained on", help="Column with the true targets."
    )
    positive: Sequence[str] = option(
        (), group=_RESULT, default_text="the rarer class of the train rows",
        help="Positive class of a binary target, for precision, recall, F1, average precision and ROC; with several "
        "targets, TARGET=LABEL. Repeatable.",
    )  # fmt: skip
    by: Sequence[str] = option(
        (), group=_RESULT,
        help="Also measure the rows of each value of this column, and the gap between the best and the worst value. "
        "Repeatable.",
    )  # fmt: skip
    fail_if: Sequence[str] = option(
        (), group=_RESULT,
        help="Exit with code 5 if this condition holds: 'accuracy<0.8', 'subsets.image.accuracy<0.5', "
        "'groups.gap>0.1' … Repeatable.",
    )  # fmt: skip
    junit: Path | None = option(
        None, group=_RESULT, rare=True, help="JUnit XML file to write, with one test case per --fail-if."
    )
    all_metrics: bool = option(False, group=_RESULT, help="Print all metrics, not only the main ones.")
    look: LookConfig = part(LookConfig)
    labels_from: str | None = option(
        None, group=_RETRIEVAL,
        help="Column of labels: measure how often the label closest to a row is the row's own.",
    )  # fmt: skip
    template: str = option(PLACE, group=_RETRIEVAL, help="Text to embed for a label; {} is replaced by the label.")
    rows: RowsConfig = part(RowsConfig)


@dataclass(frozen=True)
class PredictConfig:
    """The options of predict."""

    explain: Literal["weights", "inputs"] | None = option(
        None, group=_RESULT,
        help="weights: add the fusion's weight of each feature to each prediction, 0 if missing. inputs: tell which "
        "words, picture regions, seconds, frames, table columns and modalities decide it; -o is then a folder, with "
        "heat maps. Without --limit, of the first 20 rows.",
    )  # fmt: skip
    explain_target: str | None = option(
        None, group=_RESULT, default_text="what is predicted", rare=True,
        help="For --explain inputs: the class or label to explain; with several targets TARGET or TARGET=LABEL.",
    )  # fmt: skip
    explain_by: Literal["auto", "occlusion", "gradients"] = option(
        "auto", group=_RESULT, rare=True,
        help="For --explain inputs: leave out each part of an input (occlusion), or take integrated gradients of "
        "encoders trained with the network (gradients); auto takes gradients only for long texts.",
    )  # fmt: skip
    look: LookConfig = part(LookConfig)
    labels: Sequence[str] = option(
        (),
        group=_RETRIEVAL,
        help="Comma-separated labels: predict the one closest to each row. Repeatable.",
    )
    template: str = option(PLACE, group=_RETRIEVAL, help="Text to embed for a label; {} is replaced by the label.")
    rows: RowsConfig = part(RowsConfig)
