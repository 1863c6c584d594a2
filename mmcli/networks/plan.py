"""The plan of a network: its encoders, fusion, head and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mmcli.errors import MmcliError
from mmcli.models import DEFAULT_POOLING
from mmcli.registry import FUSIONS, parse_spec
from mmcli.store.columns import FUSED, ModalitySpec


@dataclass(frozen=True)
class NetworkPlan:
    """Everything needed to rebuild a network except its weights.

    Args:
        method: The fusion method's name and options.
        projection: The width to which each modality is projected before fusion; None passes features on unchanged.
        hidden: The widths of the head's hidden layers.
        dropout: Dropout probability in the head and of the fusion's inputs, from 0 to 1.
        modality_dropout: Probability of dropping each modality in training, from 0 to 1.
        seed: Seed of fusion methods and encoders with random weights.
        encoders: The encoder of each encoded modality, as in ``--encoder``.
        mixed_precision: Whether encoders compute in bfloat16.
        pooling: The pooling of sequences and feature maps to one vector, if the method takes vectors.
        attends: Whether the head attends to the steps of every modality in addition to the fused vector.
        model: The estimator used as the head, as in ``--model``; None for trained layers.
    """

    method: str
    projection: int | None
    hidden: tuple[int, ...]
    dropout: float
    modality_dropout: float
    seed: int
    encoders: Mapping[str, str] = field(default_factory=dict)
    mixed_precision: bool = False
    pooling: str = DEFAULT_POOLING
    attends: bool = False
    model: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values, without empty fields."""
        unsaid = {"encoders": {}, "mixed_precision": False, "pooling": DEFAULT_POOLING, "attends": False, "model": None}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name not in unsaid or value != unsaid[name]
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> NetworkPlan:
        """Read what ``to_json`` returned.

        Raises:
            MmcliError: It has unknown fields.
        """
        unknown = sorted(record.keys() - {known.name for known in fields(cls)})
        if unknown:
            raise MmcliError(
                f"the model's network has {', '.join(unknown)}, unknown to this version of mmcli; upgrade mmcli"
            )
        return cls(**{**record, "hidden": tuple(record["hidden"])})

    @property
    def ready_pooling(self) -> str | None:
        """The pooling applied to ready features when they are read; None if the network gets their steps."""
        fuses_steps = FUSIONS.constant(parse_spec(self.method).name, "sequences", False)
        return None if self.attends or fuses_steps or self.pooling == "attention" else self.pooling

    @property
    def late(self) -> bool:
        """Whether each modality has its own head, whose outputs the method combines."""
        return bool(FUSIONS.constant(parse_spec(self.method).name, "kind") == "late")


def feature_names(modalities: Mapping[str, ModalitySpec]) -> list[str]:
    """Return the names of the aligned features, without the fused one."""
    return sorted(name for name in modalities if name != FUSED)
