"""train: a network on stored values or features, its best epoch by val, kept with the chain that made its inputs."""

from __future__ import annotations

import dataclasses
import inspect
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mmcli.chain.driver import Summary
from mmcli.errors import UsageError
from mmcli.inference.model import STAGE
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import detect
from mmcli.store.artifact import EmptyTarget
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.training.cross_validation import cross_validate, has_models_in
from mmcli.training.options import TrainOptions
from mmcli.training.publish import summary_of_model
from mmcli.training.request import open_sources, request_training
from mmcli.training.sampling import Sampling
from mmcli.training.single import finished_before, fit_and_publish, load

SOURCES = ("fuse", "preprocess", "extract-features")


def train(
    source: str | Sequence[str],
    output: Path,
    *,
    task: str | Sequence[str] = "auto",
    target: str | Sequence[str] | None = None,
    method: str | None = None,
    encoder: Sequence[str] = (),
    projection: int = 128,
    pooling: str | None = None,
    hidden: str = "auto",
    dropout: float | None = None,
    modality_dropout: float = 0.0,
    class_weights: Literal["none", "balanced", "effective"] = "none",
    sampling: Sampling = "none",
    augment: Sequence[str] = (),
    augment_strength: float = 0.5,
    epochs: int = 40,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    l1: float = 0.0,
    schedule: Literal["cosine", "constant", "plateau"] = "cosine",
    clip_norm: float = 1.0,
    patience: int = 8,
    monitor: str | None = None,
    batch_size: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,
    modalities: Sequence[str] = (),
    model: str | None = None,
    positive: Sequence[str] = (),
    empty_target: EmptyTarget | None = None,
    folds: int | None = None,
    keep: Path | None = None,
    deterministic: bool = False,
    fresh: bool = False,
    reporter: Reporter | None = None,
) -> Summary:
    """Train a model and write it as an artifact; arguments are the command's options.

    Raises:
        MmcliError: The source, a target or an option is not as it must be.
        StoppedError: Ctrl-C; the best epoch so far has been published, marked as stopped.
    """
    began = time.time()
    reporter = reporter if reporter is not None else Silent()
    runtime = detect(None, device, precision, batch_size, seed, default_batch_size=64, deterministic=deterministic)
    place = Path(os.path.abspath(output))
    check_output(place, STAGE)
    _check_folds(folds, keep, place)
    asked = TrainOptions(
        task=task, target=target, method=method, encoder=encoder, projection=projection, hidden=hidden,
        dropout=dropout, modality_dropout=modality_dropout, class_weights=class_weights, augment=augment,
        augment_strength=augment_strength, epochs=epochs, lr=lr, weight_decay=weight_decay, l1=l1, schedule=schedule,
        clip_norm=clip_norm, patience=patience, monitor=monitor, batch_size=batch_size, seed=seed, precision=precision,
        pooling=pooling, compile=compile, modalities=modalities, sampling=sampling, model=model,
        positive=positive, empty_target=empty_target,
    )  # fmt: skip
    asked.check_names()
    asked.check_against(train_defaults())
    sources = [source] if isinstance(source, str) else list(source)
    samples = open_sources(sources, SOURCES if len(sources) == 1 else SOURCES[1:], limit, reporter)
    training = request_training(samples, asked, runtime, reporter)
    request = training.to_json()
    if folds is not None:
        request["folds"] = folds
    with ArtifactWriter(output, STAGE, fresh) as writer:
        before = finished_before(writer, request)
        if before is not None and (keep is None or has_models_in(keep, folds or 0)):
            return summary_of_model(before, began)
        loaded = load(training, reporter)
        told: dict[str, Any] = {}
        if folds is not None:
            validated = cross_validate(training, loaded, folds, writer.output, keep, fresh, runtime, reporter)
            validated.write(writer.folder)
            told = validated.header()
        made = fit_and_publish(writer, training, request, loaded, runtime, reporter, began, told)
    return summary_of_model(made, began)


def _check_folds(folds: int | None, keep: Path | None, output: Path) -> None:
    if keep is not None and folds is None:
        raise UsageError(f"--keep {keep}: it is for the models of folds; say how many with --folds")
    if folds is not None and folds < 2:
        raise UsageError(f"--folds {folds}: expected 2 or more")
    if keep is not None and Path(os.path.abspath(keep)).is_relative_to(output):
        raise UsageError(f"--keep {keep}: lies in the model, which is replaced as a whole; name a folder beside it")


def train_defaults() -> dict[str, Any]:
    """Return what those options are that decide what comes of a training, where no one says anything."""
    names = {field.name for field in dataclasses.fields(TrainOptions)}
    signature = inspect.signature(train).parameters
    return {name: parameter.default for name, parameter in signature.items() if name in names}
