"""The options of train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmcli.networks.config import NetworkConfig
from mmcli.options import option, part
from mmcli.store.labels import EmptyTarget

_TASK, _DATA, _FITTING, _FOLDS, _MACHINE = "Task", "Data", "Fitting", "Cross-validation", "Machine"
ClassWeights = Literal["none", "balanced", "effective"]
Sampling = Literal["none", "over", "under", "smote"]


@dataclass(frozen=True)
class TaskConfig:
    """What is learnt."""

    task: Sequence[str] = option(
        ("auto",), group=_TASK, metavar="[TARGET=]TASK",
        help="Task, with options if needed, such as classification or regression:log=true. auto infers it from the "
        "target. With several targets: TARGET=TASK. Repeatable. mmcli list tasks --verbose shows names and options.",
    )  # fmt: skip
    target: Sequence[str] = option(
        (), group=_TASK, metavar="COLUMN", default_text="the target of preprocess",
        help="Column to predict. Repeatable: several targets are learnt together.",
    )  # fmt: skip
    positive: Sequence[str] = option(
        (), group=_TASK, metavar="[TARGET=]LABEL", default_text="the rarer class of the train rows",
        help="Positive class of a two-class target: the class that precision, recall, F1, average precision and ROC "
        "AUC describe. With several targets: TARGET=LABEL. Repeatable.",
    )  # fmt: skip
    empty_target: EmptyTarget | None = option(
        None, group=_TASK, default_text="the setting of preprocess, or error",
        help="Train or val rows without a target: error stops, drop leaves them out, none treats them as rows without "
        "labels (multilabel only).",
    )  # fmt: skip


@dataclass(frozen=True)
class DataConfig:
    """What it is learnt from."""

    modalities: Sequence[str] = option(
        (), group=_DATA, metavar="NAME,NAME,…", default_text="all",
        help="Modalities to use; the others are ignored. Repeatable.",
    )  # fmt: skip
    class_weights: ClassWeights = option(
        "none", group=_DATA,
        help="Class weights in the loss: balanced gives every class the same total weight; effective is milder.",
    )  # fmt: skip
    sampling: Sampling = option(
        "none", group=_DATA,
        help="Balance the train classes: over repeats rows of rare classes, under drops rows of common ones, smote "
        "creates new rows of rare ones.",
    )  # fmt: skip
    augment: Sequence[str] = option(
        (), group=_DATA, metavar="auto|MODALITY=NAME,…", default_text="none",
        help="Random changes of train rows, never of val or test. Repeatable. mmcli list augmentations shows the names "
        "and which of them auto uses.",
    )  # fmt: skip
    augment_strength: float = option(
        0.5, least=0, most=1, group=_DATA, rare=True, help="Strength of every augmentation, 0 to 1."
    )
    limit: int | None = option(None, least=1, group=_DATA, default_text="all rows", help="Use only the first N rows.")
    seed: int = option(
        0, group=_DATA, help="Seed of initial weights, row order, dropout, augmentation, sampling and folds."
    )


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted."""

    epochs: int = option(40, least=1, group=_FITTING, help="Maximum number of epochs.")
    lr: float = option(1e-3, group=_FITTING, help="Learning rate.")
    batch_size: int | None = option(
        None, least=1, default_text="64, or as many as fit in memory", group=_FITTING, help="Rows per batch."
    )
    weight_decay: float = option(0.01, least=0, group=_FITTING, help="Weight decay of AdamW.")
    l1: float = option(0.0, least=0, group=_FITTING, rare=True, help="Weight of the L1 penalty.")
    schedule: Literal["cosine", "constant", "plateau"] = option(
        "cosine", group=_FITTING,
        help="Learning rate after 2 warm-up epochs: cosine lowers it to about 0, constant keeps it, plateau halves "
        "it after 5 epochs without improvement.",
    )  # fmt: skip
    clip_norm: float = option(
        1.0, least=0, group=_FITTING, rare=True, help="Maximum gradient norm; 0 disables clipping."
    )
    patience: int = option(
        8, least=0, group=_FITTING,
        help="Stop after this many epochs without improvement on val; 0 disables early stopping.",
    )  # fmt: skip
    monitor: str | None = option(
        None, group=_FITTING, metavar="METRIC", default_text="the task's loss, such as log_loss",
        help="Val metric that selects the best epoch; docs/tasks.md lists the metrics of each task.",
    )  # fmt: skip
    calibrate: bool = option(
        False, group=_FITTING,
        help="Calibrate probabilities by a temperature fitted to the val rows, and store how far off the model "
        "is on them, which --coverage of predict and evaluate needs.",
    )  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """The options of train."""

    task: TaskConfig = part(TaskConfig)
    data: DataConfig = part(DataConfig)
    network: NetworkConfig = part(NetworkConfig)
    fit: FitConfig = part(FitConfig)
    folds: int | None = option(
        None, least=2, group=_FOLDS,
        help="Run N-fold cross-validation on the train rows first, then train the model.",
    )  # fmt: skip
    keep: Path | None = option(None, group=_FOLDS, metavar="FOLDER", help="Save the models of --folds in this folder.")
    precision: Literal["auto", "float32", "bfloat16"] = option(
        "auto", group=_MACHINE, help="Number format for encoders; auto uses bfloat16 where it is faster."
    )
    compile: bool = option(
        False, group=_MACHINE, rare=True,
        help="Compile encoders first, which takes minutes and pays off for many rows. On CPUs it needs a C++ compiler.",
    )  # fmt: skip
