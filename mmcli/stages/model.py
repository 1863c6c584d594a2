"""A trained model: its chain, its network and its task, from one folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.evaluation.subsets import mask
from mmcli.registry import TASKS, parse_spec
from mmcli.stages.collate import collate, width
from mmcli.stages.transforms.fuse import FUSED, build_fusion
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Array, Column, ModalitySpec
from mmcli.store.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.models.network import Network
    from mmcli.tasks import Task

STAGE = "train"
TASK_STATE = "task"
WEIGHTS = "network.safetensors"
_BATCH = 64


@dataclass(frozen=True)
class NetworkPlan:
    """What rebuilds a network, but for its weights.

    Args:
        method: The fusion method's name and options.
        projection: The width that each modality is projected to before fusion; None gives fusion the features as
            they are.
        hidden: The widths of the head's hidden layers.
        dropout: In the head and on the fusion's inputs, from 0 to 1.
        modality_dropout: The chance that a modality is taken for absent in training, from 0 to 1.
        seed: For fusion methods that draw at random.
    """

    method: str
    projection: int | None
    hidden: tuple[int, ...]
    dropout: float
    modality_dropout: float
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "hidden": list(self.hidden)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> NetworkPlan:
        """Read what ``to_json`` returned."""
        return cls(**{**record, "hidden": tuple(record["hidden"])})

    def build(self, modalities: Mapping[str, ModalitySpec], out_dim: int) -> Network:
        """Make the network for these features; its weights are drawn from torch's random numbers."""
        from mmcli.models.heads import MlpHead
        from mmcli.models.network import Network

        method = parse_spec(self.method)
        return Network(
            {name: width(modalities[name]) for name in feature_names(modalities)},
            fusion=lambda in_dims: build_fusion(method, in_dims, self.seed),
            head=lambda in_dim: MlpHead(in_dim, out_dim, hidden=self.hidden, dropout=self.dropout),
            projection_dim=self.projection,
            dropout=self.dropout,
            modality_dropout=self.modality_dropout,
        )


def feature_names(modalities: Mapping[str, ModalitySpec]) -> list[str]:
    """Return the aligned features, without their fusion."""
    return sorted(name for name in modalities if name != FUSED)


def pooled(columns: Mapping[str, Column], names: list[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return features as one vector a row, (B, D) each, and where they are present, (B,) bool each."""
    from mmcli.models.network import pool

    features, present = collate(columns, names)
    return {name: pool(feature) for name, feature in features.items()}, present


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

        from mmcli.models.weights import fit_weights, read_weights

        with torch.device("meta"):
            planned = self.plan.build(self.modalities, self.task.out_dim)
        found = read_weights(weights)
        fit_weights(planned, found, weights, assign=True)
        return planned.eval()

    @property
    def source_of(self) -> dict[str, str]:
        """The source modality of each feature."""
        return {name: self.modalities[name].source for name in self.names}

    @property
    def sources(self) -> list[str]:
        """The source modalities, sorted."""
        return sorted(set(self.source_of.values()))

    def outputs(self, columns: Mapping[str, Column], keep: Collection[str] | None = None) -> tuple[Array, Array]:
        """Return the task's probabilities for aligned features, and which rows had any.

        Rows go through the network in batches of one fixed shape, so that none depends on its neighbours.

        Args:
            columns: The aligned features (B rows).
            keep: The source modalities to look at; None is all of them.

        Returns:
            (B, K) float64, the prior where a row has no modality; (B,) bool.
        """
        import torch

        if keep is not None:
            present_now = mask({name: columns[name].present for name in self.names}, self.source_of, keep)
            columns = {name: replace(columns[name], present=present_now[name]) for name in self.names}
        features, present = pooled(columns, self.names)
        known = torch.stack(list(present.values())).any(dim=0)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(known), _BATCH):
                part = {name: _padded(value[start : start + _BATCH]) for name, value in features.items()}
                there = {name: _padded(value[start : start + _BATCH]) for name, value in present.items()}
                parts.append(self.network(part, there)[: len(known) - start])
        probabilities = self.task.probabilities(torch.cat(parts))
        probabilities[~known.numpy()] = self.task.prior()
        return np.asarray(probabilities, np.float64), known.numpy()


def _padded(value: Tensor) -> Tensor:
    import torch

    missing = _BATCH - len(value)
    return value if not missing else torch.cat([value, value.new_zeros((missing, *value.shape[1:]))])
