"""What rebuilds a network: its encoders, fusion, head and sizes."""

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
    """What rebuilds a network, but for its weights.

    Args:
        method: The fusion method's name and options.
        projection: The width that each modality is projected to before fusion; None gives fusion the features as
            they are.
        hidden: The widths of the head's hidden layers.
        dropout: In the head and on the fusion's inputs, from 0 to 1.
        modality_dropout: The chance that a modality is taken for absent in training, from 0 to 1.
        seed: For fusion methods and encoders that draw at random.
        encoders: The encoder of each modality that has one, as ``--encoder`` takes it.
        mixed_precision: Whether encoders compute in bfloat16.
        pooling: What makes one vector of a modality's sequence or feature map, where the method takes vectors.
        attends: Whether the head looks at the steps of every modality, beside what the method makes of them.
        model: The estimator in the place of the head, as ``--model`` takes it; None is layers that are trained.
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
        """Return it as JSON values; what says nothing is left out."""
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
            MmcliError: It says more than this mmcli knows of.
        """
        unknown = sorted(record.keys() - {known.name for known in fields(cls)})
        if unknown:
            raise MmcliError(
                f"the model's network has {', '.join(unknown)}, which this mmcli does not know; upgrade it"
            )
        return cls(**{**record, "hidden": tuple(record["hidden"])})

    @property
    def ready_pooling(self) -> str | None:
        """What pools ready features when they are read; None if the network gets their steps."""
        fuses_steps = FUSIONS.constant(parse_spec(self.method).name, "sequences", False)
        return None if self.attends or fuses_steps or self.pooling == "attention" else self.pooling

    @property
    def late(self) -> bool:
        """Whether each modality has a head of its own, whose outputs the method combines."""
        return bool(FUSIONS.constant(parse_spec(self.method).name, "kind") == "late")


def feature_names(modalities: Mapping[str, ModalitySpec]) -> list[str]:
    """Return the aligned features, without their fusion."""
    return sorted(name for name in modalities if name != FUSED)
