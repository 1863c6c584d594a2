"""The report of check: columns, modalities, and what is wrong with them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mmcli.errors import MmcliError, TooManyBadError
from mmcli.store.columns import LedgerEntry, Row
from mmcli.store.labels import class_name
from mmcli.tables.bad_inputs import BadInputs, is_bad
from mmcli.tables.preparation import Preparation
from mmcli.tables.trial import Trial

_LONGEST = 40  # characters of a cell that are shown


@dataclass(frozen=True)
class ColumnReport:
    """One column of the table, in the sampled rows.

    Args:
        name: The name of the column.
        used: How it is used: id, split, target, group, the modalities made from it with their kind, or "not used".
        empty: Number of empty cells.
        distinct: Number of distinct cells.
        example: The first non-empty cell, unchanged.
        odd: Cells that do not fit the column's kind, with their counts, most frequent first.
    """

    name: str
    used: str
    empty: int
    distinct: int
    example: str
    odd: dict[str, int]


@dataclass(frozen=True)
class ModalityReport:
    """One modality as preprocess would make it, in the sampled rows.

    Args:
        name: The name of the modality.
        kind: Its kind.
        counts: Number of rows that are ok, missing, corrupt and skipped.
        reasons: Number of rows by reason, without empty cells, most frequent first.
        sizes: Median and maximum of what is known of its items: ``bytes`` of files, ``seconds`` of sound, ``tokens`` of
            text.
    """

    name: str
    kind: str
    counts: dict[str, int]
    reasons: dict[str, int]
    sizes: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class CheckReport:
    """What check found.

    Args:
        source: The table.
        rows: Number of rows.
        looked_at: Number of rows that were decoded.
        splits: Number of rows in each split, in the complete table.
        labels: Number of sampled rows with each label, most frequent first; empty unless there is exactly one target.
        columns: The report of each column.
        modalities: The report of each modality.
        inputs: Number of inputs per row: one for each modality, or for each column of a table.
        bad: The sampled inputs that are not ok, without empty cells.
        read_bytes: Estimate of what preprocess would read from files.
        disk_bytes: Estimate of what it would write.
        free_bytes: Free space on the disk of the working directory.
        work_seconds: Estimate of how long it would take with as many workers, once started.
    """

    source: str
    rows: int
    looked_at: int
    splits: dict[str, int]
    labels: dict[str, int]
    columns: list[ColumnReport]
    modalities: list[ModalityReport]
    inputs: int
    bad: list[LedgerEntry]
    read_bytes: int
    disk_bytes: int
    free_bytes: int
    work_seconds: float

    failure: MmcliError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: value for name, value in asdict(replace(self, failure=None)).items() if name != "failure"}


def too_many(report: CheckReport, max_errors: str | None) -> MmcliError | None:
    """Return the error to raise if more of the sampled inputs are bad than allowed."""
    bad = BadInputs(report.looked_at * report.inputs, "keep", max_errors)
    for entry in report.bad:
        bad.accept(entry)
    try:
        bad.check()
    except TooManyBadError as error:
        return error
    return None


def choose_rows(count: int, sample: int | None, seed: int) -> Sequence[int]:
    """Return the places of the rows to look at: all, or a sample drawn with the seed."""
    if sample is None or sample >= count:
        return range(count)
    return sorted(np.random.default_rng(seed).choice(count, sample, replace=False).tolist())


def count_labels(prepared: Preparation, rows: Sequence[Row]) -> dict[str, int]:
    """Return how many rows each label has, most first; nothing where there is no target, or several."""
    targets = prepared.intake.roles.targets
    cells = [class_name(row.get(targets[0])) for row in rows] if len(targets) == 1 else []
    return dict(Counter(cell for cell in cells if cell is not None).most_common())


def report_columns(prepared: Preparation, rows: Sequence[Row], trial: Trial) -> list[ColumnReport]:
    """Return what each column of the table is used for and holds."""
    roles, transform = prepared.intake.roles, prepared.transform
    uses: dict[str, list[str]] = {}
    targets = [("target", column) for column in roles.targets]
    for role, column in (("id", roles.id), ("split", roles.split), *targets, ("group", roles.group)):
        if column is not None:
            uses.setdefault(column, []).append(role)
    for name, part in transform.preprocessors.items():
        for column in part.columns:
            kind = transform.kinds[name]
            uses.setdefault(column, []).append(kind if name in (kind, column) else f"{name} ({kind})")
    odd: dict[str, Counter[str]] = {}
    for entry in trial.ledger:
        if entry.column is not None and entry.value is not None:
            odd.setdefault(entry.column, Counter())[entry.value[:_LONGEST]] += 1
    reports = []
    for column in prepared.intake.columns:
        cells = [_text(row.get(column)) for row in rows]
        full = [cell for cell in cells if cell]
        reports.append(
            ColumnReport(
                column, ", ".join(uses.get(column, ["not used"])), len(cells) - len(full), len(set(full)),
                full[0][:_LONGEST] if full else "", dict(odd.get(column, Counter()).most_common()),
            )
        )  # fmt: skip
    return reports


def report_modality(prepared: Preparation, name: str, rows: Sequence[Row], trial: Trial) -> ModalityReport:
    """Return how the rows of one modality ended, and how large its items are."""
    entries = [entry for entry in trial.ledger if entry.modality == name and entry.column is None]
    counts = {"ok": len(rows) - len(entries), "missing": 0, "corrupt": 0, "skipped": 0}
    counts |= Counter(entry.status for entry in entries)
    reasons = Counter(entry.reason for entry in entries if is_bad(entry))
    part, kind = prepared.transform.preprocessors[name], prepared.transform.kinds[name]
    sizes: dict[str, Sequence[float]] = {}
    if len(part.columns) == 1:
        sizes["bytes"] = [
            trial.file_bytes[path] for row in rows if (path := str(row.get(part.columns[0]))) in trial.file_bytes
        ]
    lengths = trial.lengths.get(name, [])
    if "sample_rate" in part.facts():
        sizes["seconds"] = [length / part.facts()["sample_rate"] for length in lengths]
    elif kind == "text":
        sizes["tokens"] = lengths
    told = {what: (float(statistics.median(found)), float(max(found))) for what, found in sizes.items() if found}
    return ModalityReport(name, kind, counts, dict(reasons.most_common()), told)


def _text(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell).strip()
