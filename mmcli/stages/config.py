"""The options of run and of the commands that look at artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.options import option

LISTS = ("extractors", "fusion", "encoders", "models", "tasks", "augmentations", "all")
"""What mmcli list can list."""
_SHOWN, _CHECKS = "Display", "Checks"


@dataclass(frozen=True)
class RunConfig:
    """The options of run: none; everything is in the pipeline file."""


@dataclass(frozen=True)
class InspectConfig:
    """The options of inspect."""

    problems: int = option(10, least=0, group=_SHOWN, help="Number of missing, corrupt and skipped inputs to list.")


@dataclass(frozen=True)
class LedgerConfig:
    """The options of ledger."""

    status: Sequence[str] = option(
        (), group=_SHOWN, metavar="missing|corrupt|skipped", default_text="all",
        help="List only inputs with this status. Repeatable.",
    )  # fmt: skip
    modality: Sequence[str] = option(
        (), group=_SHOWN, metavar="MODALITY", default_text="all", help="List only this modality. Repeatable."
    )
    count: bool = option(False, group=_SHOWN, help="Count inputs by modality, status and reason instead.")


@dataclass(frozen=True)
class ListConfig:
    """The options of list."""

    verbose: bool = option(
        False, group=_SHOWN,
        help="Also show options and their defaults; for encoders, also sizes, source and licence of the weights.",
    )  # fmt: skip


@dataclass(frozen=True)
class VerifyConfig:
    """The options of verify."""

    media: bool = option(
        False, group=_CHECKS,
        help="Also check that the media files have not changed since they were decoded (artifacts of preprocess only).",
    )  # fmt: skip
    root: str | None = option(
        None, group=_CHECKS, metavar="FOLDER|URL", default_text="the folder recorded in the artifact",
        help="Folder or URL to which media paths are relative.",
    )  # fmt: skip


@dataclass(frozen=True)
class CleanConfig:
    """The options of clean."""

    yes: bool = option(False, group="Action", help="Delete what was found.")


@dataclass(frozen=True)
class ReportConfig:
    """The options of report."""

    title: str | None = option(None, group=_SHOWN, metavar="TEXT", default_text="the task", help="Title of the page.")


@dataclass(frozen=True)
class SchemaConfig:
    """The options of schema: none."""
