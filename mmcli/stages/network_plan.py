"""What rebuilds a network: its encoders, fusion, head and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mmcli.errors import MmcliError
from mmcli.registry import parse_spec
from mmcli.stages.collate import form_width, width
from mmcli.stages.encoder_choice import build_encoder, parse_choice
from mmcli.stages.transforms.fuse import FUSED, build_fusion
from mmcli.store.columns import ModalitySpec

if TYPE_CHECKING:
    from mmcli.models.network import Network


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
    """

    method: str
    projection: int | None
    hidden: tuple[int, ...]
    dropout: float
    modality_dropout: float
    seed: int
    encoders: Mapping[str, str] = field(default_factory=dict)
    mixed_precision: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; what says nothing is left out."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name not in ("encoders", "mixed_precision") or value
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

    def build(self, modalities: Mapping[str, ModalitySpec], out_dim: int, *, pretrained: bool) -> Network:
        """Make the network for these modalities; its weights are drawn from torch's random numbers.

        Args:
            modalities: Those it reads: features, and stored values where it has an encoder for them.
            out_dim: The outputs K.
            pretrained: Read the weights that encoders start from; not needed where all weights are loaded next.
        """
        from mmcli.models.heads import MlpHead
        from mmcli.models.network import Network

        method = parse_spec(self.method)
        encoders = {
            name: build_encoder(parse_choice(text), modalities[name], self.seed, pretrained)
            for name, text in self.encoders.items()
        }
        return Network(
            {
                name: form_width(encoders[name].output()) if name in encoders else width(modalities[name])
                for name in feature_names(modalities)
            },
            fusion=lambda in_dims: build_fusion(method, in_dims, self.seed),
            head=lambda in_dim: MlpHead(in_dim, out_dim, hidden=self.hidden, dropout=self.dropout),
            encoders=encoders,
            mixed_precision=self.mixed_precision,
            projection_dim=self.projection,
            dropout=self.dropout,
            modality_dropout=self.modality_dropout,
        )


def feature_names(modalities: Mapping[str, ModalitySpec]) -> list[str]:
    """Return the aligned features, without their fusion."""
    return sorted(name for name in modalities if name != FUSED)
