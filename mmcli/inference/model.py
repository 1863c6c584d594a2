"""A trained model with its chain, network and task, read from a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmcli.chain.collate import has_steps, to_features
from mmcli.chain.encoding import encode_rows
from mmcli.chain.fixed_batches import fixed_batches, steps_of
from mmcli.errors import MmcliError
from mmcli.evaluation.subsets import mask
from mmcli.inference.calibration import Calibration
from mmcli.models.abilities import Embeds, weigher
from mmcli.models.estimators import origin_of
from mmcli.networks.building import build_network
from mmcli.networks.plan import NetworkPlan, feature_names
from mmcli.plugins import check_origin
from mmcli.registry import ENCODERS, FUSIONS, TASKS
from mmcli.runtime import Runtime
from mmcli.store.artifact import AGAIN, Artifact
from mmcli.store.columns import Array, Column
from mmcli.store.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.chain.fixed_batches import Rows
    from mmcli.models.network import Network
    from mmcli.tasks import Task

STAGE = "train"
TASK_STATE = "task"
CALIBRATION = "calibration"
WEIGHTS = "network.safetensors"
_ENCODED_AT_ONCE = 32


@dataclass(frozen=True)
class Vectors:
    """The fusion's input for each modality, and its presence, (B,) bool.

    The input is one vector per row, (B, D), or the steps of each row, (T, D) each.
    """

    values: Mapping[str, Rows]
    present: Mapping[str, Array]


class TrainedModel:
    """A model as train wrote it.

    Raises:
        MmcliError: The folder is not a model, or one of its files is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.artifact = Artifact(path)
        if self.artifact.stage != STAGE:
            raise MmcliError(f"{path}: an artifact of {self.artifact.stage}, expected a model folder, written by train")
        self.modalities = self.artifact.modalities
        self.names = feature_names(self.modalities)
        self.task = load_task(self.artifact)
        self.calibration = _calibration(self.artifact)
        self.plan = NetworkPlan.from_json(self.artifact.header["network"])
        self.network = self._load_network(self.artifact.sound_file(WEIGHTS))

    def _load_network(self, weights: Path) -> Network:
        """Return the network with its weights, allocated only once the weights are known to fit."""
        import torch

        from mmcli.models.estimator_head import estimators_of
        from mmcli.models.weights import fitting_weights, read_weights

        with torch.device("meta"):
            planned = build_network(self.plan, self.modalities, self.task, pretrained=False)
        found = fitting_weights(planned, read_weights(weights), weights)
        network = build_network(self.plan, self.modalities, self.task, pretrained=False)
        network.load_state_dict(found)
        if self.plan.model is not None:
            for name, estimator in estimators_of(network.head).items():
                estimator.load(self.artifact.sound_file(name))
        return network.eval()

    @property
    def source_of(self) -> dict[str, str]:
        """The source modality of each feature."""
        return {name: self.modalities[name].source for name in self.names}

    @property
    def task_target(self) -> Literal["column", "group", "optional"]:
        """Where the task gets its targets from."""
        found: Literal["column", "group", "optional"] = TASKS.constant(self.artifact.header["task"], "target", "column")
        return found

    @property
    def learnt_sources(self) -> list[str]:
        """The source modalities that it learnt from, sorted; without those that no train row had."""
        chosen = self.artifact.header["parameters"].get("modalities")
        return sorted(set(chosen or self.source_of.values()) - set(self.artifact.header.get("unlearnt", ())))

    @property
    def sources(self) -> list[str]:
        """The source modalities that it can use, sorted: those learnt from, and those in a space shared with them."""
        return sorted(set(self.source_of.values())) if isinstance(self.network.fusion, Embeds) else self.learnt_sources

    def vectors(self, columns: Mapping[str, Column], runtime: Runtime) -> Vectors:
        """Return the fusion's inputs: features, or the encoder's output for modalities with an encoder.

        Args:
            columns: The aligned features, and the preprocessed values of modalities with an encoder (B rows).
            runtime: Where encoders compute.
        """
        import torch

        with torch.inference_mode():
            values = {
                name: self._encode(name, columns[name], runtime)
                if name in self.plan.encoders
                else self._ready(name, columns[name])
                for name in self.names
            }
        return Vectors(values, {name: columns[name].present for name in self.names})

    def outputs(self, vectors: Vectors, keep: Collection[str] | None = None) -> tuple[Array, Array]:
        """Return the task's predictions for rows, and which rows had any modality.

        The network runs on batches of fixed shapes, so that no row's result depends on other rows.

        Args:
            vectors: The vectors of every modality (B rows).
            keep: The source modalities to use; None means all.

        Returns:
            (B, …) float64, the prior for rows without any modality; (B,) bool.
        """
        present = self._present(vectors, keep)
        outputs = self._in_batches(self.network.from_vectors, vectors.values, present)
        known = np.logical_or.reduce([present[name] for name in self.names])
        if self.calibration is not None:
            outputs = self.calibration.scaled(self.task, outputs)
        predictions = self.task.predictions(outputs)
        predictions[~known] = self.task.prior()
        return np.asarray(predictions, np.float64), known

    def _present(self, vectors: Vectors, keep: Collection[str] | None) -> dict[str, Array]:
        return mask(vectors.present, self.source_of, self.sources if keep is None else keep)

    @property
    def weighs(self) -> bool:
        """Whether the fusion provides weights of modalities."""
        return weigher(self.network.fusion) is not None

    def weights(self, vectors: Vectors, keep: Collection[str] | None = None) -> Array:
        """Return the fusion's weight of each feature for each row, (B, M), in the order of ``names``; see ``weighs``.

        Only the source modalities in ``keep`` are used; None means all.
        """

        def weigh(values: Mapping[str, Any], present: Mapping[str, Tensor]) -> Tensor:
            found = self.network.weights_from_vectors(values, present)
            assert found is not None
            return found

        return np.asarray(self._in_batches(weigh, vectors.values, self._present(vectors, keep)), np.float64)

    def fused(self, vectors: Vectors, rows: Array, keep: Collection[str] | None = None) -> Array:
        """Return what the last layer of the head sees of some rows, (R, D) float32.

        Args:
            vectors: The vectors of every modality (B rows).
            rows: The numbers of the rows, (R,).
            keep: The source modalities to use; None means all.
        """
        values = {
            name: [value[row] for row in rows.tolist()] if isinstance(value, list) else value[rows.tolist()]
            for name, value in vectors.values.items()
        }
        present = {name: there[rows] for name, there in self._present(vectors, keep).items()}
        return np.asarray(self._in_batches(self.network.seen_by_head, values, present), np.float32)

    def _in_batches(
        self, compute: Callable[..., Tensor], values: Mapping[str, Rows], present: Mapping[str, Array]
    ) -> Tensor:
        """Apply ``compute`` to rows in fixed batches; return the results in row order."""
        import torch

        there = {name: torch.from_numpy(np.array(present[name])) for name in values}
        order, parts = [torch.zeros(0, dtype=torch.long)], []
        with torch.inference_mode():
            for rows, features, now in fixed_batches(values, there):
                order.append(rows)
                parts.append(compute(features, now)[: len(rows)])
        return torch.cat(parts)[torch.cat(order).argsort()]

    def _ready(self, name: str, column: Column) -> Rows:
        if self.plan.ready_pooling is not None or not has_steps(self.modalities[name].main):
            return self._pooled(name, to_features(column))
        steps = steps_of(column)
        if self.network.sequences:
            return steps
        return self._in_batches(
            lambda features, _: self._pooled(name, features[name]), {name: steps}, {name: column.present}
        )

    def _pooled(self, name: str, feature: Any) -> Tensor:
        vectors = self.network.vector(name, feature)
        assert not isinstance(vectors, tuple)
        return vectors

    def _encode(self, name: str, column: Column, runtime: Runtime) -> Rows:
        import torch

        device = runtime.torch_device()
        encoder: Any = self.network.encoders[name].to(device)
        self.network.pooling_of(name).to(device)
        there = np.flatnonzero(column.present)
        vectors = torch.zeros(len(column), self.network.in_dims[name])
        if not len(there):
            return vectors
        rows = encode_rows(
            encoder, lambda *inputs: self.network.vector(name, inputs), column.take(there), _ENCODED_AT_ONCE, device
        )
        if rows[0].ndim == 1:
            vectors[torch.from_numpy(there)] = torch.from_numpy(np.stack(rows))
            return vectors
        steps = [vectors[:0]] * len(column)
        for row, found in zip(there.tolist(), rows, strict=True):
            steps[row] = torch.from_numpy(found)
        return steps


def load_task(model: Artifact) -> Task:
    """Return the task of a model's folder, without reading its network.

    Raises:
        MmcliError: A plugin of the model is missing or different, or the task's file is damaged.
    """
    _check_plugins(model.header)
    task: Task = TASKS.load(model.header["task"])()
    file = model.sound_file(f"state/{TASK_STATE}.json")
    try:
        task.load_state(State.read(file.with_suffix("")))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        # A damaged state may raise any of these.
        raise MmcliError(f"{file}: not a state of the task {model.header['task']}; {AGAIN}") from error
    return task


def _calibration(model: Artifact) -> Calibration | None:
    """Return what train --calibrate learnt; None without it."""
    if CALIBRATION not in model.header:
        return None
    file = model.sound_file(f"state/{CALIBRATION}.json")
    try:
        return Calibration.from_state(State.read(file.with_suffix("")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MmcliError(f"{file}: not a calibration; {AGAIN}") from error


def _check_plugins(header: Mapping[str, Any]) -> None:
    """Check that the plugins a model was built with are installed and unchanged.

    Raises:
        MmcliError: One is missing or different.
    """
    found = {registry.what: registry.origin_of for registry in (ENCODERS, FUSIONS, TASKS)} | {"estimator": origin_of}
    for told, recorded in header.get("parameters", {}).get("plugins", {}).items():
        what, _, name = told.rpartition(" ")
        if what in found:  # augmentations are used only in training
            check_origin(what, name, recorded, found[what](name))
