"""The options of evaluate and predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from mmcli.errors import missing_package, unknown_name
from mmcli.options import option, part
from mmcli.store.sources.dialect import TableText

_ROWS, _RESULT, _RETRIEVAL, _PAGE = "Rows", "Result", "Retrieval models", "Page"
MAPS = ("pca", "tsne", "umap")
"""The methods of maps."""
PLACE = "{}"
"""The placeholder for a label's name in a template."""


@dataclass(frozen=True)
class RowsConfig:
    """How the rows of a source are read."""

    root: str | None = option(
        None, group="Files", metavar="FOLDER|URL",
        default_text="the table's folder; the working folder for standard input",
        help="Folder or URL to which file paths in the table are relative.",
    )  # fmt: skip
    limit: int | None = option(None, least=1, group=_ROWS, default_text="all rows", help="Use only the first N rows.")
    seed: int = option(
        0, group=_ROWS,
        help="Seed of the bootstrap intervals, p-values, shuffles, samples and maps of evaluate; no prediction depends "
        "on it.",
    )  # fmt: skip
    written: TableText = part(TableText)


@dataclass(frozen=True)
class LookConfig:
    """Which inputs of the rows a model gets."""

    modalities: Sequence[str] = option(
        (), group=_ROWS, metavar="NAME,NAME,…", default_text="all",
        help="Modalities to use; the others are treated as missing. Repeatable.",
    )  # fmt: skip
    tensor: Sequence[str] = option(
        (), group="Files", rare=True, metavar="NAME=FILE",
        help="Array for the new rows, if the model was trained with --tensor NAME=FILE; NAME=none: do without. "
        "Repeatable.",
    )  # fmt: skip


@dataclass(frozen=True)
class UncertaintyConfig:
    """How sure a model has to be, and says it is."""

    coverage: float | None = option(
        None, least=0, most=1, group=_RESULT,
        help="Sets of classes, or intervals, that contain the truth with this probability, such as 0.9: predict adds "
        "them, evaluate measures how often they do. Needs a model trained with --calibrate.",
    )  # fmt: skip
    abstain_below: float | None = option(
        None, least=0, most=1, group=_RESULT,
        help="Give a row no class if its predicted class has a probability below this, and mark it as abstained.",
    )  # fmt: skip


@dataclass(frozen=True)
class PageConfig:
    """What the page of a report shows."""

    max_examples: int = option(
        150,
        least=0,
        most=5000,
        group=_PAGE,
        metavar="N",
        help="Maximum number of samples on the page; their media take at most 3 MB.",
    )
    map: Sequence[str] = option(
        (), group=_PAGE, metavar="METHOD", default_text="pca and tsne",
        help="Map of the rows' features on the page: pca, tsne, umap (pip install 'mmcli[umap]') or none. Repeatable.",
    )  # fmt: skip
    no_page: bool = option(False, group=_PAGE, help="Do not write report.html, report.md or plots.")

    def check(self) -> None:
        """Check the methods of the map.

        Raises:
            UsageError: There is no such method.
            MmcliError: It needs a package that is not installed.
        """
        if "umap" in self.maps and find_spec("umap") is None:
            raise missing_package("--map umap", "umap")

    @property
    def maps(self) -> tuple[str, ...]:
        """The methods of the maps, each once.

        Raises:
            UsageError: There is no such method.
        """
        asked = tuple(dict.fromkeys(name.strip() for text in self.map for name in text.split(","))) or ("pca", "tsne")
        for name in asked:
            if name not in (*MAPS, "none"):
                raise unknown_name("method in --map", name, (*MAPS, "none"))
        return tuple(name for name in asked if name != "none")


@dataclass(frozen=True)
class EvaluateConfig:
    """The options of evaluate."""

    split: str = option("test", group=_ROWS, metavar="train|val|test|all", help="Split to evaluate.")
    target: str | None = option(
        None,
        group=_ROWS,
        metavar="COLUMN",
        default_text="the target column of the model",
        help="Column with the true targets.",
    )
    positive: Sequence[str] = option(
        (), group=_RESULT, metavar="[TARGET=]LABEL", default_text="the positive class of the model",
        help="Positive class of a two-class target: the class that precision, recall, F1, average precision and ROC "
        "AUC describe. With several targets: TARGET=LABEL. Repeatable.",
    )  # fmt: skip
    by: Sequence[str] = option(
        (), group=_RESULT, metavar="COLUMN",
        help="Also report metrics for each value of this column, and the gap in the main metric between the best and "
        "the worst. Repeatable.",
    )  # fmt: skip
    fail_if: Sequence[str] = option(
        (), group=_RESULT, metavar="CONDITION",
        help="Exit with code 5 if this is true, such as 'accuracy<0.8'. Operators: < <= > >=. Names: any metric, or a "
        "path into metrics.json such as subsets.image.accuracy or groups.gap (needs --by). Repeatable.",
    )  # fmt: skip
    junit: Path | None = option(
        None, group=_RESULT, rare=True, metavar="FILE", help="Write the --fail-if results to this JUnit XML file."
    )
    importance: bool = option(
        False, group=_RESULT,
        help="Also measure by how much the main metric gets worse when a modality, the features of an extractor or a "
        "table column is shuffled among the rows.",
    )  # fmt: skip
    all_metrics: bool = option(False, group=_RESULT, help="Print all metrics, not only the main ones.")
    uncertainty: UncertaintyConfig = part(UncertaintyConfig)
    show: PageConfig = part(PageConfig)
    look: LookConfig = part(LookConfig)
    learning_curve: bool = option(
        False, group=_RESULT,
        help="Also train the model again on 10, 20, 40, 70 and 100 % of the train rows of SOURCES, and measure each.",
    )  # fmt: skip
    labels_from: str | None = option(
        None, group=_RETRIEVAL, metavar="COLUMN",
        help="Zero-shot classification: predict the closest of this column's labels for each row, and report metrics "
        "against the column.",
    )  # fmt: skip
    template: str = option(
        PLACE, group=_RETRIEVAL, metavar="TEXT", default_text="{}, the label itself",
        help="Text to embed for each label, such as 'a photo of a {}'.",
    )  # fmt: skip
    rows: RowsConfig = part(RowsConfig)


@dataclass(frozen=True)
class PredictConfig:
    """The options of predict."""

    explain: Literal["weights", "inputs"] | None = option(
        None, group=_RESULT,
        help="weights: add the fusion's weight of each modality, or of each extractor of a modality with several, 0 "
        "if missing; works with attention, gated, late_mean, late_weighted, mean, perceiver, squeeze_excite and "
        "weighted_sum. inputs: tell which words, image regions, "
        "seconds, frames, table columns and modalities each prediction depends on; -o is then a folder with heat maps, "
        "and without --limit only the first 20 rows are explained.",
    )  # fmt: skip
    explain_target: str | None = option(
        None, group=_RESULT, metavar="LABEL|TARGET[=LABEL]", default_text="what is predicted", rare=True,
        help="With --explain inputs: the class or label to explain; with several targets, TARGET or TARGET=LABEL.",
    )  # fmt: skip
    explain_by: Literal["auto", "occlusion", "gradients"] = option(
        "auto", group=_RESULT, rare=True,
        help="With --explain inputs: occlusion leaves out each part of an input in turn; gradients uses integrated "
        "gradients, for encoders trained with the network; auto uses gradients only for long texts.",
    )  # fmt: skip
    uncertainty: UncertaintyConfig = part(UncertaintyConfig)
    look: LookConfig = part(LookConfig)
    labels: Sequence[str] = option(
        (), group=_RETRIEVAL, metavar="LABEL,LABEL,…",
        help="Zero-shot classification: predict the closest of these labels for each row. Repeatable.",
    )  # fmt: skip
    template: str = option(
        PLACE, group=_RETRIEVAL, metavar="TEXT", default_text="{}, the label itself",
        help="Text to embed for each label, such as 'a photo of a {}'.",
    )  # fmt: skip
    rows: RowsConfig = part(RowsConfig)
