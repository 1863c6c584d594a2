"""mmcli train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmcli.cli import options

NAME = "train"
NETWORK, LEARNING = "Network", "Learning"


def command(
    source: Annotated[
        list[str],
        typer.Argument(
            help="An artifact of preprocess, extract-features or fuse, or - ; several are joined by id.",
            show_default=False,
        ),
    ],
    output: options.Output,
    task: Annotated[
        list[str],
        typer.Option(
            help="auto, or one of mmcli list tasks with options, as regression:log=true; of one of several targets "
            "TARGET=TASK. Repeatable.",
        ),
    ] = ["auto"],
    target: Annotated[
        list[str],
        typer.Option(
            help="Column to predict; by default what preprocess was given. Several are learnt together. Repeatable.",
            show_default=False,
        ),
    ] = [],
    positive: options.Positive = [],
    empty_target: Annotated[
        Literal["error", "drop", "none"] | None,
        typer.Option(
            help="Train and val rows without a target: an error, left out, or rows with none of the labels "
            "(multilabel). By default what preprocess was told, or an error.",
            show_default=False,
        ),
    ] = None,
    modalities: options.Modalities = [],
    method: Annotated[
        str | None,
        typer.Option(
            help="Fusion, where no fuse stage came before; by default concat.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="network, or sklearn:NAME:key=value,… on features after a static fusion; see mmcli list models. "
            "By default network, or what the task needs.",
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        list[str],
        typer.Option(
            help="MODALITY=ENCODER of a preprocessed modality, trained with the rest; see mmcli list encoders. "
            "Options freeze, last=N (layers), lr_scale=X and vectors=FILE (of words) say how. Repeatable.",
            show_default=False,
        ),
    ] = [],
    projection: Annotated[
        int,
        typer.Option(min=1, help="Width of each modality before a fusion that needs equal ones."),
    ] = 128,
    pooling: Annotated[
        Literal["mean", "max", "attention"] | None,
        typer.Option(
            help="Of sequences and feature maps, for methods that take vectors; by default mean, or that of fuse.",
            show_default=False,
        ),
    ] = None,
    hidden: Annotated[
        str,
        typer.Option(
            help="Widths of the head's hidden layers, as 512,128, or none; auto is 256 after a static fusion.",
        ),
    ] = "auto",
    dropout: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            show_default=False,
            help="Share dropped in training; by default 0.5, 0.3 for captioning, 0.2 where a modality is encoded.",
        ),
    ] = None,
    modality_dropout: Annotated[
        float,
        typer.Option(min=0, max=1, help="Chance that a modality is dropped in training."),
    ] = 0.0,
    class_weights: Annotated[
        Literal["none", "balanced", "effective"],
        typer.Option(help="balanced: every class counts alike; effective: rare ones count more, though less so."),
    ] = "none",
    sampling: Annotated[
        Literal["none", "over", "under", "smote"],
        typer.Option(
            help="Learn from train rows among which all classes are equally frequent: over repeats rows of rare ones, "
            "under leaves rows of frequent ones out, smote makes new rows between those of rare ones."
        ),
    ] = "none",
    augment: Annotated[
        list[str],
        typer.Option(
            help="auto, or MODALITY=NAME,NAME: changes to train rows, never to val or test. Repeatable.",
            show_default=False,
        ),
    ] = [],
    augment_strength: Annotated[float, typer.Option(min=0, max=1, help="Of every augmentation.")] = 0.5,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 40,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(min=0, help="AdamW's decay.")] = 0.01,
    l1: Annotated[float, typer.Option(min=0, help="Weight of the sum of absolute weights.")] = 0.0,
    schedule: Annotated[
        Literal["cosine", "constant", "plateau"],
        typer.Option(help="Of the learning rate."),
    ] = "cosine",
    clip_norm: Annotated[
        float,
        typer.Option(min=0, help="Largest norm of a gradient; 0 clips nothing."),
    ] = 1.0,
    patience: Annotated[
        int,
        typer.Option(min=0, help="Epochs without a better val value; 0 waits for ever."),
    ] = 8,
    monitor: Annotated[
        str | None,
        typer.Option(help="Val metric that says which epoch is best.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Rows in a batch; by default 64, or as many of them as fit in memory."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Cross-validate first: as many models, each without one fold of the train rows, are measured on it.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for the models of --folds.", show_default=False)] = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    precision: Annotated[str, typer.Option(help="Of encoders: auto, float32 or bfloat16.")] = "auto",
    compile: options.Compile = False,
    deterministic: options.Deterministic = False,
    fresh: options.Fresh = False,
    config: options.Config = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train a model on features, or end to end on preprocessed samples; the best epoch by the val split is kept.

    Ctrl-C keeps the best epoch so far; the same command goes on from there. The test split is not looked at.
    """
    del config, debug
    from mmcli.console import Console
    from mmcli.console.results import show_model
    from mmcli.stages.train import train

    summary = train(
        source, output, task=task, target=target, positive=positive, empty_target=empty_target, modalities=modalities,
        method=method, model=model, encoder=encoder,
        projection=projection, pooling=pooling, hidden=hidden, dropout=dropout, modality_dropout=modality_dropout,
        class_weights=class_weights, sampling=sampling, augment=augment, augment_strength=augment_strength,
        epochs=epochs, lr=lr, weight_decay=weight_decay, l1=l1, schedule=schedule, clip_norm=clip_norm,
        patience=patience, monitor=monitor, batch_size=batch_size, folds=folds, keep=keep, limit=limit, seed=seed,
        device=device, precision=precision, compile=compile, deterministic=deterministic, fresh=fresh,
        reporter=Console(quiet),
    )  # fmt: skip
    show_model(summary, json)
