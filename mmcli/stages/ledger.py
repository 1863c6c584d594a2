"""ledger: lists or counts the inputs of an artifact that are not ok."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcli.context import RunContext, takes
from mmcli.errors import unknown_name
from mmcli.stages.config import LedgerConfig
from mmcli.store.artifact import Artifact
from mmcli.store.columns import LedgerEntry
from mmcli.store.header import STATUSES

_SHOWN = ("id", "modality", "status", "reason", "path")


@dataclass(frozen=True)
class Ledger:
    """Entries of a ledger.

    Args:
        entries: The selected entries, in row order.
        counts: Number of entries for each (modality, status, reason), most frequent first.
        counted: Whether to show the counts.
    """

    entries: list[LedgerEntry]
    counts: list[tuple[str, str, str, int]]
    counted: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to show."""
        return ("modality", "status", "reason", "inputs") if self.counted else _SHOWN

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The entries, or the counts, as JSON values."""
        if self.counted:
            return [dict(zip(self.columns, row, strict=True)) for row in self.counts]
        return [entry.to_json() for entry in self.entries]


@takes(LedgerConfig)
def ledger(path: Path, config: LedgerConfig, context: RunContext) -> Ledger:
    """Return the entries with one of the given statuses and modalities; without any given, all.

    Raises:
        MmcliError: The folder is not an artifact, or it has no such modality.
    """
    del context
    artifact, status, modality = Artifact(path), config.status, config.modality
    for name in modality:
        if name not in artifact.modalities:
            raise unknown_name("modality", name, artifact.modalities)
    for name in status:
        if name not in STATUSES:
            raise unknown_name("status", name, STATUSES)
    entries = [
        entry
        for entry in artifact.ledger()
        if (not status or entry.status in status) and (not modality or entry.modality in modality)
    ]
    counts = Counter((entry.modality, entry.status, entry.reason) for entry in entries)
    return Ledger(entries, [(*key, count) for key, count in counts.most_common()], config.count)
