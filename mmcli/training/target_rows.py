"""The targets of train and val rows: which rows have one, and whether the task accepts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import MmcliError, UsageError
from mmcli.reporting import Reporter
from mmcli.store.columns import Array
from mmcli.store.labels import EmptyTarget
from mmcli.store.samples import Samples
from mmcli.tables.target_survey import TargetSurvey
from mmcli.tasks.abilities import FindsUnseen, HasParts, TakesEmpty, encodes_classes, parts_of
from mmcli.tasks.targets import TargetSource, odd_cells, told_counts, told_targets
from mmcli.training.asked_task import AskedTask
from mmcli.training.data import Examples

if TYPE_CHECKING:
    from mmcli.tasks import Task


def _read_numbers(
    source: TargetSource, found: Mapping[str, list[Any]], empty_target: EmptyTarget
) -> tuple[TargetSource, Counter[str]]:
    """Return the source with numeric columns detected from the train rows, and the cells that are not numbers.

    Args:
        source: The source that read the raw targets.
        found: Targets by split; a missing value of a numeric column, such as ``NA``, becomes None.
        empty_target: If rows without a target are dropped, any cell that is not a number becomes None too.
    """
    from mmcli.tasks import has_many, numbers_among

    odd: Counter[str] = Counter()
    if source.kind == "group":
        return source, odd
    columns = source.roles.targets
    cells = {column: [cell for row in found["train"] if (cell := _cell(row, column)) is not None] for column in columns}
    numbers = {column: own for column, each in cells.items() if (own := numbers_among(each))}
    many = [column for column, own in numbers.items() if has_many(set(own), len(own))] if empty_target == "drop" else []
    read = replace(source, numeric=list(numbers), continuous=many)
    if numbers:
        for targets in found.values():
            odd.update(
                cell for row in targets for cell in odd_cells(many, {column: _cell(row, column) for column in many})
            )
            targets[:] = [read.blanked({column: _cell(row, column) for column in columns}) for row in targets]
    return read, odd


def _cell(target: Any, column: str) -> Any:
    return target.get(column) if isinstance(target, dict) else target


def leave_out_empty(
    source: TargetSource, asked: AskedTask, parts: Mapping[str, list[Examples]], found: Mapping[str, list[Any]],
    empty_target: EmptyTarget, samples: Samples, reporter: Reporter,
) -> None:  # fmt: skip
    """Drop rows without a target from ``parts`` and ``found``, or reject them, depending on ``empty_target``.

    Raises:
        MmcliError: There is such a row, and it is an error.
    """
    source, odd = _read_numbers(source, found, empty_target)
    if asked.kind != "column" or empty_target == "none":
        return
    counts = {}
    for split, targets in found.items():
        there = [target is not None for target in targets]
        if all(there):
            continue
        if empty_target == "error":
            row = samples.rows.take([np.concatenate([part.rows for part in parts[split]])[there.index(False)]])[0]
            raise MmcliError(
                f"sample {samples.id_of(row)!r}: {told_targets(source.roles.targets)} empty; fill it, move the row to "
                "test, or drop such rows with --empty-target drop; with --empty-target none an empty cell means no "
                "labels (multilabel)"
            )
        counts[split] = there.count(False)
        _keep(there, parts[split], targets)
    if counts:
        told = " and ".join(f"{count} {split}" for split, count in counts.items())
        shown = f" ({told_counts(odd)})" if odd else ""
        reporter.warn(f"{told} rows without a target{shown} are left out (--empty-target drop)")


def take_empties(task: Task) -> None:
    """Accept an empty cell as a target without labels.

    Raises:
        UsageError: The task does not support it.
    """
    taking = [part for part in parts_of(task).values() if isinstance(part, TakesEmpty)]
    if not taking:
        raise UsageError("--empty-target none: only the task multilabel supports it; use drop")
    for part in taking:
        part.take_empty()


def leave_out_unknown(
    task: Task, parts: list[Examples], targets: list[object], target: str, reporter: Reporter
) -> None:
    """Drop val rows with unseen targets from ``parts`` and ``targets``, because they cannot be predicted."""
    known = [task.known(value) for value in targets]
    if all(known):
        return
    unknown = sorted({str(value) for value, there in zip(targets, known, strict=True) if not there})
    if not any(known):
        raise MmcliError(
            f"no val row has a {target!r} that occurs in a train row (found {', '.join(unknown[:5])}); for free text "
            "use --task captioning"
        )
    shown = f"{', '.join(unknown[:5])}{' …' if len(unknown) > 5 else ''}"
    reporter.warn(f"{known.count(False)} val rows have a {target!r} that no train row has ({shown}): left out")
    _keep(known, parts, targets)


def check_targets(task: Task, targets: list[object], rows: list[Array], target: str, samples: Samples) -> None:
    """Reject targets that the task does not accept.

    Raises:
        MmcliError: A target is invalid; the message names the sample.
    """
    for number, value in enumerate(targets):
        fault = task.fault(value)
        if fault is not None:
            row = samples.rows.take([np.concatenate(rows)[number]])[0]
            told = f"its target (column {target!r}) is {value!r}, expected {fault}"
            raise MmcliError(f"sample {samples.id_of(row)!r}: {told}")


def warn_of_classes(task: Task, columns: Sequence[str], targets: Sequence[Any], reporter: Reporter) -> None:
    """Warn about suspicious classes of train rows: nearly as many as rows, or nearly identical names."""
    for column, part in parts_of(task, columns).items():
        if encodes_classes(part):
            for text in TargetSurvey.of(column, (_cell(target, column) for target in targets)).warnings():
                reporter.warn(text)


def warn_of_unseen(task: Task, targets: list[object], target: str, reporter: Reporter) -> None:
    """Warn about unseen labels and classes of val rows."""
    unseen = list(task.unseen(targets)) if isinstance(task, FindsUnseen) else []
    unseen += [name for target in targets for name in task.unknown(target)] if isinstance(task, HasParts) else []
    if unseen:
        names = list(dict.fromkeys(unseen))
        shown = f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
        reporter.warn(f"the {target!r} of val rows has {len(unseen)} labels that no train row has ({shown}): left out")


def _keep(chosen: Sequence[bool], parts: list[Examples], targets: list[Any]) -> None:
    """Keep the chosen rows in ``parts`` and ``targets``."""
    import torch

    start = 0
    for number, part in enumerate(parts):
        stop = start + len(part.targets)
        parts[number] = part.take(torch.from_numpy(np.flatnonzero(chosen[start:stop])))
        start = stop
    targets[:] = [value for value, there in zip(targets, chosen, strict=True) if there]
