"""The options of extract-features and fuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmcli.models import DEFAULT_POOLING, Pooling
from mmcli.options import option

_FEATURES, _ROWS, _MACHINE = "Features", "Rows", "Machine"


@dataclass(frozen=True)
class ExtractConfig:
    """The options of extract-features."""

    use: Sequence[str] = option(
        (), group=_FEATURES, metavar="MODALITY=EXTRACTOR", default_text="the default extractors of each kind",
        help="Extractor of a modality, with options if needed: MODALITY=EXTRACTOR:key=value,key=value. Repeatable; "
        "several extractors of one modality are all used. MODALITY=none leaves it out. mmcli list extractors --verbose "
        "shows names and options.",
    )  # fmt: skip
    dtype: Literal["float32", "float16"] = option("float32", group=_FEATURES, help="Data type of stored features.")
    limit: int | None = option(None, least=1, group=_ROWS, default_text="all rows", help="Use only the first N rows.")
    seed: int = option(0, group=_ROWS, help="Seed of the random weights of networks without pretrained ones.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", group=_MACHINE,
        help="Number format for networks; auto uses bfloat16 where it is faster and close to float32.",
    )  # fmt: skip
    batch_size: int | None = option(
        None, least=1, default_text="32", group=_MACHINE, help="Rows per batch of a network."
    )
    compile: bool = option(
        False, group=_MACHINE, rare=True,
        help="Compile networks first, which takes about a minute and pays off for many rows. On CPUs it needs a C++ "
        "compiler.",
    )  # fmt: skip


@dataclass(frozen=True)
class FuseConfig:
    """The options of fuse."""

    method: str = option(
        "concat", group=_FEATURES, metavar="METHOD", help="Fusion method. mmcli list fusion shows the names."
    )
    pooling: Pooling = option(
        DEFAULT_POOLING, group=_FEATURES,
        help="How to turn sequences and feature maps into vectors, if the method needs vectors. attention is trained "
        "by train.",
    )  # fmt: skip
    limit: int | None = option(None, least=1, group=_ROWS, default_text="all rows", help="Use only the first N rows.")
    seed: int = option(0, group=_ROWS, help="Seed of static methods that use random numbers, such as contrastive.")
