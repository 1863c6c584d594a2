"""The options that say what a network is built of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.models import Pooling
from mmcli.options import option

_NETWORK = "Network"


@dataclass(frozen=True)
class NetworkConfig:
    """What stands between the features, or the samples, and the task."""

    method: str | None = option(
        None, group=_NETWORK, default_text="that of fuse, or concat",
        help="Fusion method, if the source was not fused. mmcli list fusion shows the names.",
    )  # fmt: skip
    model: str | None = option(
        None, group=_NETWORK, default_text="network, or what the task needs",
        help="network, or sklearn:NAME:key=value,… on features after a static fusion; see mmcli list models.",
    )  # fmt: skip
    encoder: Sequence[str] = option(
        (), group=_NETWORK,
        help="MODALITY=ENCODER: encoder of a preprocessed modality, trained with the rest of the network; options "
        "freeze, last=N (layers), lr_scale=X and vectors=FILE (of words). Repeatable. mmcli list encoders shows the "
        "names.",
    )  # fmt: skip
    projection: int = option(
        128, least=1, group=_NETWORK, rare=True,
        help="Width each modality is projected to, for fusion methods that need equal widths.",
    )  # fmt: skip
    pooling: Pooling | None = option(
        None, group=_NETWORK, rare=True, default_text="that of fuse, or mean",
        help="How sequences and feature maps become vectors, for methods that need them.",
    )  # fmt: skip
    hidden: str = option(
        "auto", group=_NETWORK,
        help="Widths of the head's hidden layers, such as 512,128, or none; auto is 256 after a static fusion.",
    )  # fmt: skip
    dropout: float | None = option(
        None, least=0, most=1, group=_NETWORK,
        default_text="0.5; 0.3 for captioning; 0.2 if a modality is encoded", help="Dropout probability.",
    )  # fmt: skip
    modality_dropout: float = option(
        0.0, least=0, most=1, group=_NETWORK, help="Probability of dropping each modality during training."
    )
