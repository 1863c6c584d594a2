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
        (), group=_FEATURES,
        help="Extractor for a modality: MODALITY=EXTRACTOR:key=value,… Repeatable, also for the same modality; "
        "MODALITY=none leaves the modality out. mmcli list extractors shows the names.",
    )  # fmt: skip
    dtype: Literal["float32", "float16"] = option("float32", group=_FEATURES, help="Data type of stored features.")
    limit: int | None = option(None, least=1, group=_ROWS, help="Use only the first N rows.")
    seed: int = option(0, group=_ROWS, help="Random seed.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", group=_MACHINE, help="Precision in which pretrained networks compute."
    )
    batch_size: int | None = option(
        None, least=1, default_text="32", group=_MACHINE, help="Number of rows per batch of a network."
    )
    compile: bool = option(
        False, group=_MACHINE, rare=True,
        help="Compile networks first, which takes about a minute and pays off for many rows. On CPUs it needs a C++ "
        "compiler.",
    )  # fmt: skip


@dataclass(frozen=True)
class FuseConfig:
    """The options of fuse."""

    method: str = option("concat", group=_FEATURES, help="Fusion method. mmcli list fusion shows the names.")
    pooling: Pooling = option(
        DEFAULT_POOLING, group=_FEATURES,
        help="How to pool sequences and feature maps into vectors, for methods that take vectors; attention is "
        "learned by train.",
    )  # fmt: skip
    limit: int | None = option(None, least=1, group=_ROWS, help="Use only the first N rows.")
    seed: int = option(0, group=_ROWS, help="Random seed.")
