"""The options of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.models import Pooling
from mmcli.options import option

_NETWORK = "Network"


@dataclass(frozen=True)
class NetworkConfig:
    """How the network between features, or samples, and the task is built."""

    method: str | None = option(
        None, group=_NETWORK, default_text="the method of fuse, or concat",
        help="Fusion method, for sources that were not fused. mmcli list fusion shows the names.",
    )  # fmt: skip
    model: str | None = option(
        None, group=_NETWORK, default_text="network, or what the task needs",
        help="network, or a scikit-learn model: sklearn:NAME:key=value,… on statically fused features. mmcli list "
        "models shows the names.",
    )  # fmt: skip
    encoder: Sequence[str] = option(
        (), group=_NETWORK,
        help="Encoder of a preprocessed modality, trained with the network: MODALITY=ENCODER:key=value,… Further keys "
        "are freeze, last=N (train only the last N layers), lr_scale=X and vectors=FILE (word vectors). Repeatable. "
        "mmcli list encoders shows the names.",
    )  # fmt: skip
    projection: int = option(
        128, least=1, group=_NETWORK, rare=True,
        help="Width to which each modality is projected, for fusion methods that need equal widths.",
    )  # fmt: skip
    pooling: Pooling | None = option(
        None, group=_NETWORK, rare=True, default_text="the pooling of fuse, or mean",
        help="How to pool sequences and feature maps into vectors, for fusion methods that take vectors.",
    )  # fmt: skip
    hidden: str = option(
        "auto", group=_NETWORK,
        help="Comma-separated widths of the head's hidden layers, such as 512,128, or none; auto is 256 after a static "
        "fusion, else none.",
    )  # fmt: skip
    dropout: float | None = option(
        None, least=0, most=1, group=_NETWORK,
        default_text="0.5; 0.3 for captioning; 0.2 if a modality is encoded", help="Dropout probability.",
    )  # fmt: skip
    modality_dropout: float = option(
        0.0, least=0, most=1, group=_NETWORK, help="Probability of dropping each modality during training."
    )
