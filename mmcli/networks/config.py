"""The options of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.models import Pooling
from mmcli.options import option

DEFAULT_ENCODERS = {
    "text": "embedding", "image": "cnn", "audio": "audio_cnn", "video": "frame_cnn", "table": "mlp",
}  # fmt: skip
"""Default encoder of each kind of preprocessed modality; tensors need none."""
_NETWORK = "Network"


@dataclass(frozen=True)
class NetworkConfig:
    """How the network between features, or samples, and the task is built."""

    method: str | None = option(
        None, group=_NETWORK, metavar="METHOD", default_text="the method of fuse, or concat",
        help="Fusion method (not for sources that fuse wrote). mmcli list fusion shows the names.",
    )  # fmt: skip
    model: str | None = option(
        None, group=_NETWORK, metavar="network|sklearn:NAME", default_text="network; sklearn:kmeans for clustering",
        help="network, or a scikit-learn model with a static fusion method: sklearn:NAME[:key=value,…]. mmcli list "
        "models --verbose shows names and options.",
    )  # fmt: skip
    encoder: Sequence[str] = option(
        (), group=_NETWORK, metavar="MODALITY=ENCODER",
        default_text=", ".join(f"{encoder} ({kind})" for kind, encoder in DEFAULT_ENCODERS.items()),
        help="Encoder of a preprocessed modality, trained with the network: MODALITY=ENCODER[:key=value,…]. Options of "
        "every encoder: freeze (train no layer), last=N (train only the last N layers), lr_scale=X (multiply the "
        "learning rate by X), vectors=FILE (start from word vectors; text only). Repeatable. mmcli list encoders "
        "--verbose shows names and further options.",
    )  # fmt: skip
    projection: int = option(
        128, least=1, group=_NETWORK, rare=True,
        help="Project modalities to this width, for fusion methods that need equal widths.",
    )  # fmt: skip
    pooling: Pooling | None = option(
        None, group=_NETWORK, rare=True, default_text="the pooling of fuse, or mean",
        help="How to turn sequences and feature maps into vectors, if the fusion method needs vectors.",
    )  # fmt: skip
    hidden: str = option(
        "auto", group=_NETWORK, metavar="auto|none|N,N,…",
        help="Hidden layers of the head: widths, such as 512,128; or none. auto: 256 after static or late fusion, none "
        "after learnt fusion.",
    )  # fmt: skip
    dropout: float | None = option(
        None, least=0, most=1, group=_NETWORK,
        default_text="0.2 with encoders; otherwise 0.5, or 0.3 for captioning", help="Dropout probability.",
    )  # fmt: skip
    modality_dropout: float = option(
        0.0, least=0, most=1, group=_NETWORK, help="Probability of dropping each modality during training."
    )
