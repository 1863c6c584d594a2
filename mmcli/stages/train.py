"""train: a network on stored values or features, its best epoch by val, kept with the chain that made its inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mmcli.errors import StoppedError
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import detect
from mmcli.stages.driver import Summary
from mmcli.stages.model import STAGE
from mmcli.stages.model_writing import model_before, publish_model, summary_of_model
from mmcli.stages.training_request import TrainOptions, open_sources, request_training
from mmcli.stages.training_run import TrainingRun, checkpoint_before
from mmcli.store.keys import fingerprint
from mmcli.store.writer import ArtifactWriter, check_output

SOURCES = ("fuse", "preprocess", "extract-features")


def train(
    source: str | Sequence[str],
    output: Path,
    *,
    task: str = "auto",
    target: str | None = None,
    method: str | None = None,
    encoder: Sequence[str] = (),
    projection: int = 128,
    pooling: str | None = None,
    hidden: str = "auto",
    dropout: float | None = None,
    modality_dropout: float = 0.0,
    class_weights: Literal["none", "balanced", "effective"] = "none",
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
    check_output(Path(os.path.abspath(output)), STAGE)
    asked = TrainOptions(
        task=task, target=target, method=method, encoder=encoder, projection=projection, hidden=hidden,
        dropout=dropout, modality_dropout=modality_dropout, class_weights=class_weights, augment=augment,
        augment_strength=augment_strength, epochs=epochs, lr=lr, weight_decay=weight_decay, l1=l1, schedule=schedule,
        clip_norm=clip_norm, patience=patience, monitor=monitor, batch_size=batch_size, seed=seed, precision=precision,
        pooling=pooling, compile=compile,
    )  # fmt: skip
    asked.check_names()
    sources = [source] if isinstance(source, str) else list(source)
    samples = open_sources(sources, SOURCES if len(sources) == 1 else SOURCES[1:], limit, reporter)
    training = request_training(samples, asked, runtime, reporter)
    request = training.to_json()
    with ArtifactWriter(output, STAGE, fresh) as writer:
        before = model_before(writer, request)
        if before is not None and not before.header["stopped"]:
            return summary_of_model(before, began)
        modalities = training.plan.fit()
        data = training.load(modalities, reporter)
        resumed = checkpoint_before(writer, before, fingerprint(request))
        run = TrainingRun(writer, fingerprint(request), data.task, reporter)
        outcome, network = training.fit(run, modalities, data, resumed, runtime)
        stopped = outcome is None
        model = publish_model(
            writer, request, samples, training.chain(), modalities, network, run, stopped, began, runtime
        )
    if stopped:
        raise StoppedError(
            f"stopped after epoch {len(run.history)} of {epochs}: the best so far (epoch {run.best.number}) is in "
            f"{output}, marked stopped; the same command goes on from here"
        )
    return summary_of_model(model, began)
