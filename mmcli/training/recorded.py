"""The options that a model was trained with, from its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from mmcli.errors import MmcliError
from mmcli.networks.estimator_choice import NETWORK
from mmcli.networks.plan import NetworkPlan
from mmcli.options import make
from mmcli.store.artifact import Artifact
from mmcli.tasks.targets import target_columns
from mmcli.training.config import FitConfig, TrainConfig


def recorded_options(model: Artifact, targets: Sequence[str]) -> TrainConfig:
    """Return the options that train a model like this one, with the batch size that was chosen for it.

    Args:
        model: The model.
        targets: The target columns of the samples to train on.

    Raises:
        MmcliError: It depends on something that a model does not record.
    """
    header = model.header
    parameters, plan = header["parameters"], NetworkPlan.from_json(header["network"])
    for name, files in header.get("encoder_assets", {}).items():
        if "vectors" in files:
            raise MmcliError(
                f"{model.path}: cannot be trained again from its record: {name} started from a file of word vectors, "
                "whose place a model does not record"
            )
    task, columns = parameters["task"], target_columns(parameters["target"])
    augmentation = parameters["augmentation"]
    fitting = {each.name: parameters[each.name] for each in fields(FitConfig) if each.name in parameters}
    asked: dict[str, Any] = {
        **fitting, **_of_network(plan), "batch_size": header["batch_size"], "seed": header["seed"],
        "task": [task] if isinstance(task, str) else task,
        "target": () if columns == tuple(targets) else columns,
        "empty_target": parameters.get("empty_target", "error"),
        "augment": [f"{name}={','.join(own)}" for name, own in augmentation["names"].items()],
        "augment_strength": augmentation["strength"], "class_weights": parameters["class_weights"],
        "precision": "bfloat16" if plan.mixed_precision else "float32",
        "compile": parameters.get("compiled", False),
        **{name: parameters[name] for name in ("positive", "modalities", "sampling") if name in parameters},
    }  # fmt: skip
    return make(TrainConfig, asked)


def _of_network(plan: NetworkPlan) -> dict[str, Any]:
    """Return the options that build this network."""
    return {
        "method": plan.method,
        "model": plan.model or NETWORK,
        "encoder": [f"{name}={choice}" for name, choice in plan.encoders.items()],
        **({} if plan.projection is None else {"projection": plan.projection}),
        "pooling": plan.pooling,
        "hidden": "auto" if plan.attends else ",".join(map(str, plan.hidden)) or "none",
        "dropout": plan.dropout,
        "modality_dropout": plan.modality_dropout,
    }
