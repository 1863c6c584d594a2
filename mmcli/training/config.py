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
    """What is learned."""

    task: Sequence[str] = option(
        ("auto",), group=_TASK,
        help="Task: auto, or a name with options, such as regression:log=true; with several targets, TARGET=TASK. "
        "Repeatable. mmcli list tasks shows the names.",
    )  # fmt: skip
    target: Sequence[str] = option(
        (), group=_TASK, default_text="the target of preprocess",
        help="Column to predict. Repeatable: several targets are learned together.",
    )  # fmt: skip
    positive: Sequence[str] = option(
        (), group=_TASK, default_text="the rarer class of the train rows",
        help="Positive class of a binary target, for precision, recall, F1, average precision and ROC; with several "
        "targets, TARGET=LABEL. Repeatable.",
    )  # fmt: skip
    empty_target: EmptyTarget | None = option(
        None, group=_TASK, default_text="the setting of preprocess, or error",
        help="Treat a train or val row without a target as an error, drop it, or (none, multilabel only) read it as a "
        "row without labels.",
    )  # fmt: skip


@dataclass(frozen=True)
class DataConfig:
    """What it is learned from."""

    modalities: Sequence[str] = option(
        (), group=_DATA, help="Comma-separated modalities to use; the others are ignored. Repeatable."
    )
    class_weights: ClassWeights = option(
        "none", group=_DATA,
        help="Weights of classes in the loss: balanced gives every class the same total weight; effective also favors "
        "rare classes, but less strongly.",
    )  # fmt: skip
    sampling: Sampling = option(
        "none", group=_DATA,
        help="Balance the classes of the train rows: over repeats rows of rare classes, under drops rows of frequent "
        "ones, smote interpolates new rows of rare ones.",
    )  # fmt: skip
    augment: Sequence[str] = option(
        (), group=_DATA,
        help="Augmentations of train rows, never of val or test: auto, or MODALITY=NAME,NAME. Repeatable.",
    )  # fmt: skip
    augment_strength: float = option(
        0.5, least=0, most=1, group=_DATA, rare=True, help="Strength of every augmentation, 0 to 1."
    )
    limit: int | None = option(None, least=1, group=_DATA, help="Use only the first N rows.")
    seed: int = option(0, group=_DATA, help="Random seed.")


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted."""

    epochs: int = option(40, least=1, group=_FITTING, help="Maximum number of epochs.")
    lr: float = option(1e-3, group=_FITTING, help="Learning rate.")
    batch_size: int | None = option(
        None, least=1, default_text="64, or as many as fit in memory", group=_FITTING, help="Number of rows per batch."
    )
    weight_decay: float = option(0.01, least=0, group=_FITTING, help="Weight decay of AdamW.")
    l1: float = option(0.0, least=0, group=_FITTING, rare=True, help="Weight of the L1 penalty.")
    schedule: Literal["cosine", "constant", "plateau"] = option(
        "cosine", group=_FITTING, help="Learning rate schedule."
    )
    clip_norm: float = option(
        1.0, least=0, group=_FITTING, rare=True, help="Maximum gradient norm; 0 disables clipping."
    )
    patience: int = option(
        8, least=0, group=_FITTING,
        help="Stop after this many epochs without improvement on val; 0 disables early stopping.",
    )  # fmt: skip
    monitor: str | None = option(
        None, group=_FITTING, default_text="the task's main metric", help="Val metric that selects the best epoch."
    )


@dataclass(frozen=True)
class TrainConfig:
    """The options of train."""

    task: TaskConfig = part(TaskConfig)
    data: DataConfig = part(DataConfig)
    network: NetworkConfig = part(NetworkConfig)
    fit: FitConfig = part(FitConfig)
    folds: int | None = option(
        None, least=2, group=_FOLDS,
        help="Cross-validate first: train this many models, each measured on its held-out fold of the train rows.",
    )  # fmt: skip
    keep: Path | None = option(None, group=_FOLDS, help="Folder to keep the models of --folds in.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", group=_MACHINE, help="Precision in which encoders are trained: auto, float32 or bfloat16."
    )
    compile: bool = option(
        False, group=_MACHINE, rare=True,
        help="Compile encoders first, which takes minutes and pays off for many rows. On CPUs it needs a C++ compiler.",
    )  # fmt: skip
