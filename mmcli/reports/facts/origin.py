"""Where a report comes from: the model, its chain, and the commands that made them, as recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcli.inference.model import TrainedModel
from mmcli.registry import TASKS
from mmcli.store.artifact import RUN, Artifact, is_artifact
from mmcli.tasks.targets import target_columns

_VERSIONS = ("python", "mmcli", "torch")
_MOST_BYTES = 2**22


def origin_of_model(model: Artifact) -> dict[str, Any]:
    """Return the facts of a model: its task, its network, its chain and the command that made it."""
    header = model.header
    own = _command(model.path)
    return {
        "task": header["task"], "targets": list(target_columns(header["columns"].get("target"))),
        "smaller_is_better": _constant(header["task"], "smaller_is_better"),
        "headline": _constant(header["task"], "headline"),
        "modalities": {
            name: part["kind"]
            for record in model.chain
            if record.stage == "preprocess"
            for name, part in record.config["modalities"].items()
        },
        "model": {
            "folder": model.path.name, "digest": model.digest,
            "fusion": header["network"]["method"], "estimator": header["network"].get("model"),
            "encoders": header["network"].get("encoders", {}), "parameters": header["parameter_count"],
            "best_epoch": header["best_epoch"], "stopped": header["stopped"], "seed": header["seed"],
            "val": header["best_values"],
        },
        "sources": [],
        "chain": [_step(record.stage, record.fingerprint, record.config) for record in model.chain],
        "commands": [{"what": "model", **own}] if own else [],
        "versions": {},
    }  # fmt: skip


def origin_of(model: TrainedModel, sources: Sequence[str], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a model and of the rows it was measured on.

    Args:
        model: The model.
        sources: What it was measured on, as typed.
        run: The record of the evaluation.
    """
    found = origin_of_model(model.artifact)
    commands = [{"what": source, **own} for source in sources if (own := _command(Path(source)))]
    return {
        **found,
        "smaller_is_better": list(model.task.smaller_is_better), "headline": list(model.task.headline),
        "modalities": {name: kind for name, kind in found["modalities"].items() if name in model.sources},
        "sources": [{"name": source, **_artifact(source)} for source in sources],
        "commands": [*commands, *found["commands"], {"what": "report", "command": run["command"]}],
        "versions": {name: run["versions"][name] for name in _VERSIONS if name in run["versions"]},
    }  # fmt: skip


def history_of(model: TrainedModel) -> dict[str, Any] | None:
    """Return the epochs of a model's training: loss, learning rate and val metrics; None if it had none."""
    file = model.artifact.path / "history.json"
    if not file.is_file() or not (found := json.loads(file.read_bytes()))["epochs"]:
        return None
    return {**found, "monitor": model.task.monitor}


def folds_of(model: TrainedModel) -> dict[str, Any] | None:
    """Return the model's cross-validation; None if it had none."""
    found = model.artifact.header.get("cross_validation")
    return None if found is None else dict(found)


def _artifact(source: str) -> dict[str, str]:
    path = Path(source)
    if source == "-" or not is_artifact(path):
        return {}
    header = json.loads((path / "artifact.json").read_bytes())
    return {"stage": header["stage"], "digest": header["digest"]}


def _command(folder: Path) -> dict[str, str]:
    """Return the command that made an artifact, if its record is there."""
    file = folder / RUN
    if not is_artifact(folder) or not file.is_file() or file.stat().st_size > _MOST_BYTES:
        return {}
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    command = found.get("command") if isinstance(found, dict) else None
    return {"command": command} if isinstance(command, str) else {}


def _step(stage: str, fingerprint: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a transform of the chain with its options, without what names places on this machine."""
    return {"stage": stage, "fingerprint": fingerprint[:12], "config": _plain(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key not in ("places", "plugin")}
    return value


def _constant(task: str, name: str) -> list[str]:
    found = TASKS.constant(task, name, ())
    return list(found) if isinstance(found, tuple | list) else []
