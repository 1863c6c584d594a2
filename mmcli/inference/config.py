"""The options of evaluate and predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmcli.options import option, part
from mmcli.store.sources.dialect import TableText

_ROWS, _RESULT, _RETRIEVAL = "Rows", "Result", "Retrieval models"
PLACE = "{}"
"""Stands for a label's name in what is said of it."""


@dataclass(frozen=True)
class RowsConfig:
    """How the rows of a source are read."""

    root: str | None = option(
        None, group="Files", default_text="the table's folder", help="Folder or URL that media paths are relative to."
    )
    limit: int | None = option(None, least=1, group=_ROWS, help="Use only the first N rows.")
    seed: int = option(0, group=_ROWS, help="Seed of every random choice.")
    written: TableText = part(TableText)


@dataclass(frozen=True)
class LookConfig:
    """What a model is given of the rows."""

    modalities: Sequence[str] = option(
        (), group=_ROWS, help="Use only these modalities (comma-separated), treating the others as missing. Repeatable."
    )
    tensor: Sequence[str] = option(
        (), group="Files", rare=True,
        help="NAME=FILE: the array with these rows, for a modality that the model read from one; NAME=none does "
        "without. Repeatable.",
    )  # fmt: skip


@dataclass(frozen=True)
class EvaluateConfig:
    """What evaluate can be told."""

    split: str = option("test", group=_ROWS, help="Split to evaluate: train, val, test or all.")
    target: str | None = option(None, group=_ROWS, default_text="the one trained on", help="Column with the targets.")
    positive: Sequence[str] = option(
        (), group=_RESULT, default_text="the rarer class of the train rows",
        help="With two classes, the one that precision, recall, F1, average precision and ROC describe; for one of "
        "several targets, TARGET=LABEL. Repeatable.",
    )  # fmt: skip
    look: LookConfig = part(LookConfig)
    labels_from: str | None = option(
        None, group=_RETRIEVAL,
        help="Column of labels: measure how often the label nearest to a row is the row's own.",
    )  # fmt: skip
    template: str = option(PLACE, group=_RETRIEVAL, help="Text that describes a label; {} is replaced by its name.")
    rows: RowsConfig = part(RowsConfig)


@dataclass(frozen=True)
class PredictConfig:
    """What predict can be told."""

    explain: Literal["weights"] | None = option(
        None, group=_RESULT, help="weights: add the weight the fusion gave each feature of a row, 0 if it is missing."
    )
    look: LookConfig = part(LookConfig)
    labels: Sequence[str] = option(
        (),
        group=_RETRIEVAL,
        help="Comma-separated labels: predict the one nearest to the row. Repeatable.",
    )
    template: str = option(PLACE, group=_RETRIEVAL, help="Text that describes a label; {} is replaced by its name.")
    rows: RowsConfig = part(RowsConfig)
