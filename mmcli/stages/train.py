"""train: a network on features, its best epoch by the val split, kept with the whole chain that made the features."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmcli.errors import StoppedError, UsageError, unknown_name
from mmcli.registry import FUSIONS, TASKS, parse_spec
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import Runtime, detect
from mmcli.stages.driver import Summary, run_record
from mmcli.stages.model import STAGE, TASK_STATE, WEIGHTS, NetworkPlan
from mmcli.stages.train_data import TrainingData, load_training_data
from mmcli.stages.training_rows import train_columns
from mmcli.stages.training_run import TrainingRun, checkpoint_before
from mmcli.stages.transforms import record_of
from mmcli.stages.transforms.fuse import FuseTransform
from mmcli.store.artifact import Artifact, TransformRecord, is_artifact
from mmcli.store.columns import ModalitySpec
from mmcli.store.keys import fingerprint
from mmcli.store.opening import open_samples
from mmcli.store.samples import Samples
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter, check_output

if TYPE_CHECKING:
    from mmcli.tasks import Task
    from mmcli.training import TrainingOptions

DEFAULT_METHOD = "concat"
STATIC_HIDDEN = (256,)


def train(
    source: str,
    output: Path,
    *,
    task: str = "auto",
    target: str | None = None,
    method: str | None = None,
    projection: int = 128,
    hidden: str = "auto",
    dropout: float = 0.5,
    modality_dropout: float = 0.0,
    class_weights: Literal["none", "balanced"] = "none",
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
    runtime = detect(None, device, "auto", batch_size, seed, default_batch_size=64, deterministic=deterministic)
    check_output(Path(os.path.abspath(output)), STAGE)
    if method is not None:
        FUSIONS.summary(parse_spec(method).name)
    if task != "auto" and task not in TASKS.names():
        raise unknown_name("task", task, ["auto", *TASKS.names()])
    samples = open_samples(source, ["fuse", "extract-features"], limit)
    fusing, chosen = _choose_method(samples, method, seed, reporter)
    parameters: dict[str, Any] = {
        "task": task, "target": target or samples.roles.target, "class_weights": class_weights, "epochs": epochs,
        "lr": lr, "weight_decay": weight_decay, "l1": l1, "schedule": schedule, "clip_norm": clip_norm,
        "patience": patience, "monitor": monitor, "batch_size": runtime.batch_size,
    }  # fmt: skip
    plan = _plan_network(chosen, projection, hidden, dropout, modality_dropout, seed)
    request = {"source": samples.digest, "seed": seed, "parameters": parameters, "network": plan.to_json()}
    with ArtifactWriter(output, STAGE, fresh) as writer:
        before = _model_before(writer, request)
        if before is not None and not before.header["stopped"]:
            return _summary(before, began)
        data, modalities = _load(samples, fusing, parameters["target"], task, reporter)
        options = _training_options(parameters, data.task, seed)
        checkpoint = checkpoint_before(writer, before, fingerprint(request))
        run = TrainingRun(writer, fingerprint(request), data.task, reporter)
        outcome, network = run.fit(plan, modalities, data, options, checkpoint, runtime, class_weights)
        chain = [(record, samples.states(record)) for record in samples.chain]
        if fusing is not None:
            chain.append((record_of(fusing), fusing.states()))
        stopped = outcome is None
        model = _publish(writer, request, samples, chain, modalities, data.task, network, run, stopped, began, runtime)
    if stopped:
        raise StoppedError(
            f"stopped after epoch {len(run.history)} of {epochs}: the best so far (epoch {run.best.number}) is in "
            f"{output}, marked stopped; the same command goes on from here"
        )
    return _summary(model, began)


def _plan_network(
    method: str, projection: int, hidden: str, dropout: float, modality_dropout: float, seed: int
) -> NetworkPlan:
    """Methods that need equal widths get them by a projection; a method that learns does well with a linear head."""
    name = parse_spec(method).name
    width = projection if FUSIONS.constant(name, "equal_widths", False) else None
    learnt = FUSIONS.constant(name, "kind") == "learnt"
    widths = (() if learnt else STATIC_HIDDEN) if hidden == "auto" else _parse_hidden(hidden)
    return NetworkPlan(method, width, widths, dropout, modality_dropout, seed)


def _parse_hidden(text: str) -> tuple[int, ...]:
    try:
        widths = tuple(int(part) for part in text.split(",") if part and part != "none")
    except ValueError:
        raise UsageError(f"--hidden {text}: expected widths such as 256 or 512,128, or none") from None
    return widths


def _choose_method(
    samples: Samples, method: str | None, seed: int, reporter: Reporter
) -> tuple[FuseTransform | None, str]:
    """Return the fusion to be done here, which features without a fuse stage need, and the method's name."""
    if samples.stage == "fuse":
        chosen = str(samples.chain[-1].config["method"])
        if method is not None and str(parse_spec(method)) != chosen:
            raise UsageError(
                f"--method {method}: {samples.name} was fused with --method {chosen}; leave one of them out"
            )
        return None, chosen
    if method is None:
        reporter.note(f"fusion: {DEFAULT_METHOD} (--method chooses)")
    spec = parse_spec(method or DEFAULT_METHOD)
    return FuseTransform(samples.modalities, spec, seed), str(spec)


def _load(
    samples: Samples, fusing: FuseTransform | None, target: str | None, task: str, reporter: Reporter
) -> tuple[TrainingData, Mapping[str, ModalitySpec]]:
    modalities = samples.modalities
    if fusing is not None:
        fusing.fit(train_columns(samples))
        modalities = fusing.modalities()
    return load_training_data(samples, fusing, modalities, target, task, reporter), modalities


def _training_options(parameters: Mapping[str, Any], task: Task, seed: int) -> TrainingOptions:
    from mmcli.training import TrainingOptions

    monitor = parameters["monitor"] or task.monitor
    smaller = monitor in ("log_loss", "ece", "loss")
    return TrainingOptions(
        epochs=parameters["epochs"], lr=parameters["lr"], weight_decay=parameters["weight_decay"],
        l1=parameters["l1"], schedule=parameters["schedule"], clip_norm=parameters["clip_norm"] or None,
        patience=parameters["patience"] or None, monitor=monitor, mode="min" if smaller else "max", seed=seed,
    )  # fmt: skip


def _publish(
    writer: ArtifactWriter, request: Mapping[str, Any], samples: Samples,
    chain: list[tuple[TransformRecord, dict[str, State]]], modalities: Mapping[str, ModalitySpec], task: Task,
    network: Any, run: TrainingRun, stopped: bool, began: float, runtime: Runtime,
) -> Artifact:  # fmt: skip
    import shutil

    from safetensors.torch import save

    shutil.rmtree(writer.folder / "checkpoint", ignore_errors=True)
    if stopped:
        run.save()
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    (writer.folder / WEIGHTS).write_bytes(save(weights))
    history = {"best": run.best.number, "epochs": [dataclasses.asdict(epoch) for epoch in run.history]}
    (writer.folder / "history.json").write_text(json.dumps(history, indent=1) + "\n")
    for record, states in chain:
        writer.write_state(record.folder, states)
    task.state().write(writer.folder / "state" / TASK_STATE)
    roles = dataclasses.replace(samples.roles, target=request["parameters"]["target"])
    header = {
        "stage": STAGE,
        "rows": 0,
        "rows_per_shard": 1,
        "columns": dataclasses.asdict(roles),
        **request,
        "media_root": samples.first.media_root,
        "task": _registered_name(task),
        "parameter_count": sum(value.numel() for value in network.parameters()),
        "best_epoch": run.best.number,
        "best_values": run.best.values,
        "stopped": stopped,
        "chain": [record.to_json() for record, _ in chain],
        "modalities": {name: spec.to_json() for name, spec in modalities.items()},
        "counts": {},
    }
    writer.publish(header, run_record(began, runtime, epochs=len(run.history)))
    return Artifact(writer.output)


def _registered_name(task: Task) -> str:
    return type(task).__module__.rpartition(".")[2]


def _model_before(writer: ArtifactWriter, request: Mapping[str, Any]) -> Artifact | None:
    """Return the model at the output if it came from the same request."""
    if writer.fresh or not is_artifact(writer.output, STAGE):
        return None
    artifact = Artifact(writer.output)
    same = all(json.loads(json.dumps(value)) == artifact.header.get(key) for key, value in request.items())
    return artifact if same else None


def _summary(model: Artifact, began: float) -> Summary:
    header = model.header
    return Summary(
        stage=STAGE, output=str(model.path), rows=0, seconds=round(time.time() - began, 2), computed=0, reused=0,
        details={
            "task": header["task"], "method": header["network"]["method"], "parameters": header["parameter_count"],
            "best_epoch": header["best_epoch"], "val": header["best_values"], "stopped": header["stopped"],
        },
    )  # fmt: skip
