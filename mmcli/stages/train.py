"""train: a network on stored values or features, its best epoch by val, kept with the chain that made its inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmcli.errors import StoppedError, UsageError, unknown_name
from mmcli.registry import FUSIONS, TASKS, parse_spec
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import detect
from mmcli.stages.augmenting import plan_augmentation
from mmcli.stages.driver import Summary
from mmcli.stages.model import STAGE
from mmcli.stages.model_writing import model_before, publish_model, summary_of_model
from mmcli.stages.train_data import load_training_data
from mmcli.stages.training_plan import NetworkOptions, plan_training
from mmcli.stages.training_rows import warn_of_lacking
from mmcli.stages.training_run import TrainingRun, checkpoint_before
from mmcli.stages.transforms import record_of
from mmcli.store.keys import fingerprint
from mmcli.store.opening import join_by_id, open_samples
from mmcli.store.writer import ArtifactWriter, check_output

if TYPE_CHECKING:
    from mmcli.tasks import Task
    from mmcli.training import TrainingOptions

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
    hidden: str = "auto",
    dropout: float | None = None,
    modality_dropout: float = 0.0,
    class_weights: Literal["none", "balanced"] = "none",
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
    if method is not None:
        FUSIONS.summary(parse_spec(method).name)
    if task != "auto" and task not in TASKS.names():
        raise unknown_name("task", task, ["auto", *TASKS.names()])
    sources = [source] if isinstance(source, str) else list(source)
    if precision == "float16":
        raise UsageError("--precision float16: training computes in float32, or its encoders in bfloat16")
    samples = join_by_id([open_samples(each, SOURCES if len(sources) == 1 else SOURCES[1:], limit) for each in sources])
    warn_of_lacking(samples, reporter)
    asked = NetworkOptions(method, encoder, projection, hidden, dropout, modality_dropout, precision, seed)
    plan = plan_training(samples, asked, runtime.torch_device(), reporter)
    augmentation = plan_augmentation(augment, augment_strength, samples.modalities, plan.encoders, reporter)
    parameters: dict[str, Any] = {
        "task": task, "target": target or samples.roles.target, "class_weights": class_weights, "epochs": epochs,
        "lr": lr, "weight_decay": weight_decay, "l1": l1, "schedule": schedule, "clip_norm": clip_norm,
        "patience": patience, "monitor": monitor, "batch_size": runtime.batch_size,
        "augmentation": augmentation.to_json(),
    }  # fmt: skip
    request = {
        "source": samples.digest, "seed": seed, "parameters": parameters, "network": plan.network.to_json(),
        "encoder_assets": plan.assets(),
    }  # fmt: skip
    with ArtifactWriter(output, STAGE, fresh) as writer:
        before = model_before(writer, request)
        if before is not None and not before.header["stopped"]:
            return summary_of_model(before, began)
        modalities = plan.fit()
        data = load_training_data(
            samples, plan.fusing, modalities, set(plan.encoders), parameters["target"], task, reporter
        )
        options = _training_options(parameters, data.task, seed)
        checkpoint = checkpoint_before(writer, before, fingerprint(request))
        run = TrainingRun(writer, fingerprint(request), data.task, reporter)
        outcome, network = run.fit(plan, modalities, data, options, augmentation, checkpoint, runtime, class_weights)
        chain = [(record, samples.states(record)) for record in samples.chain]
        if plan.fusing is not None:
            chain.append((record_of(plan.fusing), plan.fusing.states()))
        stopped = outcome is None
        model = publish_model(
            writer, request, samples, chain, modalities, data.task, network, run, stopped, began, runtime
        )
    if stopped:
        raise StoppedError(
            f"stopped after epoch {len(run.history)} of {epochs}: the best so far (epoch {run.best.number}) is in "
            f"{output}, marked stopped; the same command goes on from here"
        )
    return summary_of_model(model, began)


def _training_options(parameters: Mapping[str, Any], task: Task, seed: int) -> TrainingOptions:
    from mmcli.training import TrainingOptions

    monitor = parameters["monitor"] or task.monitor
    smaller = monitor in ("log_loss", "ece", "loss")
    return TrainingOptions(
        epochs=parameters["epochs"], lr=parameters["lr"], weight_decay=parameters["weight_decay"],
        l1=parameters["l1"], schedule=parameters["schedule"], clip_norm=parameters["clip_norm"] or None,
        patience=parameters["patience"] or None, monitor=monitor, mode="min" if smaller else "max", seed=seed,
    )  # fmt: skip
