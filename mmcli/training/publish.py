"""Publishes a trained model as an artifact and summarises it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcli.chain.driver import Summary, run_record
from mmcli.inference.model import CALIBRATION, STAGE, TASK_STATE, WEIGHTS
from mmcli.registry import TASKS
from mmcli.runtime import Runtime
from mmcli.store.artifact import Artifact, TransformRecord, is_artifact
from mmcli.store.columns import ModalitySpec
from mmcli.store.samples import Samples
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter
from mmcli.tasks.targets import positives_of
from mmcli.training.asked_task import parse_tasks, roles_of
from mmcli.training.fit import TrainingRun
from mmcli.training.memory import peak_memory

if TYPE_CHECKING:
    from mmcli.tasks import Task


def publish_model(
    writer: ArtifactWriter, request: Mapping[str, Any], samples: Samples,
    chain: list[tuple[TransformRecord, dict[str, State]]], modalities: Mapping[str, ModalitySpec],
    network: Any, run: TrainingRun, stopped: bool, began: float, runtime: Runtime, told: Mapping[str, Any],
) -> Artifact:  # fmt: skip
    """Write the best epoch of a run and publish it; return the model.

    Args:
        writer: Writer of the model's folder.
        request: The request, by which the same command is recognised.
        samples: The samples trained on.
        chain: The transforms that produced the network's inputs, each with its state.
        modalities: The network's inputs.
        network: The network with the weights of the best epoch.
        run: The run, with its epochs and task.
        stopped: Whether Ctrl-C ended it.
        began: When the command started, in seconds since 1970.
        runtime: Where it ran.
        told: Further entries of the header.
    """
    from safetensors.torch import save

    from mmcli.models.estimator_head import estimators_of

    shutil.rmtree(writer.folder / "checkpoint", ignore_errors=True)
    if stopped:
        run.save()
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    (writer.folder / WEIGHTS).write_bytes(save(weights))
    for name, estimator in estimators_of(network.head).items():
        estimator.save(writer.folder / name)
    best = None if run.best is None else run.best.number
    history = {"best": best, "epochs": [dataclasses.asdict(epoch) for epoch in run.history]}
    (writer.folder / "history.json").write_text(json.dumps(history, indent=1) + "\n")
    for record, states in chain:
        writer.write_state(record.folder, states)
    run.task.state().write(writer.folder / "state" / TASK_STATE)
    if run.calibration is not None:
        run.calibration.state().write(writer.folder / "state" / CALIBRATION)
    asked = request["parameters"]
    roles = dataclasses.replace(
        roles_of(samples, parse_tasks(asked["task"], ())),
        target=asked["target"],
        empty_target=asked.get("empty_target", samples.roles.empty_target),
    )
    header = {
        "stage": STAGE,
        "rows": 0,
        "rows_per_shard": 1,
        "columns": roles.to_json(),
        **request,
        "media_root": samples.first.media_root,
        "task": registered_name(run.task),
        **positives_of(run.task),
        "parameter_count": sum(value.numel() for value in network.parameters()),
        "batch_size": run.batch_size,
        "best_epoch": best,
        "best_values": run.values,
        "stopped": stopped,
        **({} if run.calibration is None else {CALIBRATION: run.calibration.to_json()}),
        **told,
        "chain": [record.to_json() for record, _ in chain],
        "modalities": {name: spec.to_json() for name, spec in modalities.items()},
        "counts": {},
    }
    taken = peak_memory(runtime.torch_device())
    writer.publish(header, run_record(began, runtime, epochs=len(run.history), **taken))
    return Artifact(writer.output)


def registered_name(task: Task) -> str:
    """Return the registered name of a task."""
    return TASKS.name_of(type(task))


def model_before(writer: ArtifactWriter, request: Mapping[str, Any]) -> Artifact | None:
    """Return the model at the output if it was trained for the same request."""
    return None if writer.fresh or not is_model(writer.output, request) else Artifact(writer.output)


def is_model(path: Path, request: Mapping[str, Any]) -> bool:
    """Return whether a folder holds a model trained for this request."""
    if not is_artifact(path, STAGE):
        return False
    header = Artifact(path).header
    return all(json.loads(json.dumps(value)) == header.get(key) for key, value in request.items())


def summary_of_model(model: Artifact, began: float) -> Summary:
    """Return train's summary of a model."""
    header = model.header
    return Summary(
        stage=STAGE, output=str(model.path), rows=0, seconds=round(time.time() - began, 2), computed=0, reused=0,
        details={
            "task": header["task"], "method": header["network"]["method"], "parameters": header["parameter_count"],
            "model": header["network"].get("model"), "best_epoch": header["best_epoch"],
            "val": header["best_values"], "stopped": header["stopped"],
            **{name: header[name] for name in ("positive", CALIBRATION, "cross_validation") if name in header},
        },
    )  # fmt: skip
