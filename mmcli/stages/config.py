"""The options of run and of the commands that look at artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.options import option

_SHOWN, _DO = "Display", "Actions"


@dataclass(frozen=True)
class RunConfig:
    """The options of run: none; everything is in the pipeline file."""


@dataclass(frozen=True)
class InspectConfig:
    """The options of inspect."""

    problems: int = option(10, least=0, group=_SHOWN, help="Maximum number of ledger entries to show.")


@dataclass(frozen=True)
class LedgerConfig:
    """The options of ledger."""

    status: Sequence[str] = option(
        (), group=_SHOWN, help="Show only inputs with this status: missing, corrupt or skipped. Repeatable."
    )
    modality: Sequence[str] = option((), group=_SHOWN, help="Show only this modality. Repeatable.")
    count: bool = option(False, group=_SHOWN, help="Show the number of inputs for each reason instead of the inputs.")


@dataclass(frozen=True)
class ListConfig:
    """The options of list."""

    verbose: bool = option(
        False, group=_SHOWN,
        help="Also show the options of each name; list encoders --verbose adds features, size, weights and licence.",
    )  # fmt: skip


@dataclass(frozen=True)
class VerifyConfig:
    """The options of verify."""

    media: bool = option(
        False, group=_DO, help="Also check that the media files have not changed since they were decoded."
    )
    root: str | None = option(
        None, group=_DO, default_text="the folder recorded in the artifact",
        help="Folder or URL to which media paths are relative.",
    )  # fmt: skip


@dataclass(frozen=True)
class CleanConfig:
    """The options of clean."""

    yes: bool = option(False, group=_DO, help="Remove the files and folders found instead of listing them.")


@dataclass(frozen=True)
class SchemaConfig:
    """The options of schema: none."""
