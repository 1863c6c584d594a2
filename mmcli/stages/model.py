"""A trained model: its chain, its network and its task, from one folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.evaluation.subsets import mask
from mmcli.registry import TASKS
from mmcli.runtime import Runtime
from mmcli.stages.collate import collate
from mmcli.stages.encoding import encode_rows
from mmcli.stages.network_plan import NetworkPlan, feature_names
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Array, Column
from mmcli.store.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.models.network import Network
    from mmcli.tasks import Task

STAGE = "train"
TASK_STATE = "task"
WEIGHTS = "network.safetensors"
_BATCH = 64
_ENCODED_AT_ONCE = 32


@dataclass(frozen=True)
class Vectors:
    """One vector a row of each modality, (B, D) each, and where it is present, (B,) bool each."""

    values: Mapping[str, Tensor]
    present: Mapping[str, Array]


class TrainedModel:
    """A model as train wrote it.

    Raises:
        MmcliError: The folder is not a model, or one of its files is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.artifact = Artifact(path)
        if self.artifact.stage != STAGE:
            raise MmcliError(f"{path}: an artifact of {self.artifact.stage}, expected a model that train wrote")
        self.modalities = self.artifact.modalities
        self.names = feature_names(self.modalities)
        self.task: Task = TASKS.load(self.artifact.header["task"])()
        task = self.artifact.sound_file(f"state/{TASK_STATE}.json")
        self.task.load_state(State.read(task.with_suffix("")))
        self.plan = NetworkPlan.from_json(self.artifact.header["network"])
        self.network = self._load_network(self.artifact.sound_file(WEIGHTS))

    def _load_network(self, weights: Path) -> Network:
        """Return the network with its weights; it takes no memory before they are known to fit."""
        import torch

        from mmcli.models.weights import fitting_weights, read_weights

        with torch.device("meta"):
            planned = self.plan.build(self.modalities, self.task.out_dim, pretrained=False)
        found = fitting_weights(planned, read_weights(weights), weights)
        network = self.plan.build(self.modalities, self.task.out_dim, pretrained=False)
        network.load_state_dict(found)
        return network.eval()

    @property
    def source_of(self) -> dict[str, str]:
        """The source modality of each feature."""
        return {name: self.modalities[name].source for name in self.names}

    @property
    def sources(self) -> list[str]:
        """The source modalities, sorted."""
        return sorted(set(self.source_of.values()))

    def vectors(self, columns: Mapping[str, Column], runtime: Runtime) -> Vectors:
        """Return one vector a row of each modality: its pooled features, or what its encoder makes of stored values.

        Args:
            columns: The aligned features, and the stored values of modalities with an encoder (B rows).
            runtime: Where encoders compute.
        """
        ready = [name for name in self.names if name not in self.plan.encoders]
        features, _ = collate(columns, ready)
        values = {name: self.network.vector(name, feature) for name, feature in features.items()}
        for name in self.plan.encoders:
            values[name] = self._encode(name, columns[name], runtime)
        return Vectors(values, {name: columns[name].present for name in self.names})

    def outputs(self, vectors: Vectors, keep: Collection[str] | None = None) -> tuple[Array, Array]:
        """Return the task's probabilities for rows, and which rows had any modality.

        Rows go through the network in batches of one fixed shape, so that none depends on its neighbours.

        Args:
            vectors: Of every modality (B rows).
            keep: The source modalities to look at; None is all of them.

        Returns:
            (B, K) float64, the prior where a row has no modality; (B,) bool.
        """
        import torch

        present = dict(vectors.present)
        if keep is not None:
            present = mask(present, self.source_of, keep)
        there = {name: torch.from_numpy(np.array(present[name])) for name in self.names}
        known = torch.stack(list(there.values())).any(dim=0)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(known), _BATCH):
                rows = slice(start, start + _BATCH)
                values = {name: _padded(vectors.values[name][rows]) for name in self.names}
                now = {name: _padded(there[name][rows]) for name in self.names}
                parts.append(self.network.from_vectors(values, now)[: len(known) - start])
        probabilities = self.task.probabilities(torch.cat(parts))
        probabilities[~known.numpy()] = self.task.prior()
        return np.asarray(probabilities, np.float64), known.numpy()

    def _encode(self, name: str, column: Column, runtime: Runtime) -> Tensor:
        import torch

        device = runtime.torch_device()
        encoder: Any = self.network.encoders[name].to(device)
        vectors = torch.zeros(len(column), self.network.in_dims[name])
        there = np.flatnonzero(column.present)
        if len(there):
            rows = encode_rows(
                encoder, lambda *inputs: self.network.vector(name, inputs), column.take(there), _ENCODED_AT_ONCE, device
            )
            vectors[torch.from_numpy(there)] = torch.from_numpy(np.stack(rows))
        return vectors


def _padded(value: Tensor) -> Tensor:
    import torch

    missing = _BATCH - len(value)
    return value if not missing else torch.cat([value, value.new_zeros((missing, *value.shape[1:]))])
