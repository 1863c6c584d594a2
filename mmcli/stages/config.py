"""The options of the commands that look at what is on disk, and of run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.options import option

_SHOWN, _DO = "What is shown", "What is done"


@dataclass(frozen=True)
class RunConfig:
    """What run can be told; everything else is in the file."""


@dataclass(frozen=True)
class InspectConfig:
    """What inspect can be told."""

    problems: int = option(10, least=0, group=_SHOWN, help="Number of ledger lines to show.")


@dataclass(frozen=True)
class LedgerConfig:
    """What ledger can be told."""

    status: Sequence[str] = option(
        (), group=_SHOWN, help="Show only inputs that are missing, corrupt or skipped. Repeatable."
    )
    modality: Sequence[str] = option((), group=_SHOWN, help="Show only this modality. Repeatable.")
    count: bool = option(False, group=_SHOWN, help="Count the inputs by reason.")


@dataclass(frozen=True)
class ListConfig:
    """What list can be told."""

    verbose: bool = option(
        False, group=_SHOWN,
        help="Also show options; for encoders, features, parameters, weights and licence as well.",
    )  # fmt: skip


@dataclass(frozen=True)
class VerifyConfig:
    """What verify can be told."""

    media: bool = option(
        False, group=_DO, help="Also compare the media files that rows name with what was decoded from them."
    )
    root: str | None = option(
        None, group=_DO, default_text="the folder recorded", help="Folder or URL that media paths are relative to."
    )


@dataclass(frozen=True)
class CleanConfig:
    """What clean can be told."""

    yes: bool = option(False, group=_DO, help="Remove them; otherwise they are only listed.")


@dataclass(frozen=True)
class SchemaConfig:
    """What schema can be told: nothing."""
