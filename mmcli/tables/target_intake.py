"""Finds the rows of a raw table that lack a target and treats them as the options say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mmcli.errors import MmcliError
from mmcli.reporting import Reporter
from mmcli.store.artifact import Roles
from mmcli.store.columns import Array, Row
from mmcli.store.samples import SPLITS
from mmcli.store.string_rows import Spool
from mmcli.tables.target_survey import TargetSurvey
from mmcli.tasks.targets import is_empty, told_counts, told_targets


def refuse_empty(row: Row, where: str, identity: str, split: str, roles: Roles) -> None:
    """Refuse a train or val row whose targets are all empty, if that is an error.

    Raises:
        MmcliError: The targets are empty and ``roles`` makes that an error.
    """
    if roles.empty_target == "error" and roles.targets and all(is_empty(row.get(target)) for target in roles.targets):
        told = f"{told_targets(roles.targets)} empty; fill it"
        raise MmcliError(
            f"{_without_target(where, identity, split, told)}; with --empty-target none an empty cell means no labels "
            "(multilabel)"
        )


def _without_target(where: str, identity: str, split: str, told: str) -> str:
    return (
        f"{where}: sample {identity!r} is in {split} and {told}, move the sample to test, or drop such rows with "
        "--empty-target drop"
    )


def rows_without_target(
    rows: Spool, split_of: Array, surveys: Sequence[TargetSurvey], roles: Roles, place_of: Callable[[int], str],
    reporter: Reporter,
) -> frozenset[int]:  # fmt: skip
    """Warn of suspicious targets; return the train and val rows without a target, which are left out.

    Args:
        rows: All rows.
        split_of: The split of each row, (N,) indexes into ``SPLITS``.
        surveys: The survey of each target.
        roles: Its ``empty_target`` says how to treat rows without a target.
        place_of: Returns the place of a row for messages.
        reporter: Receives the warnings.

    Raises:
        MmcliError: A train or val row has no target, and ``empty_target`` is ``error``.
    """
    for survey in surveys:
        for text in survey.warnings():
            reporter.warn(text)
    if roles.empty_target == "none" or not any(survey.empty or survey.is_doubtful for survey in surveys):
        return frozenset()
    lacking: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    left_out = []
    for number, (identity, *cells) in enumerate(rows.cells([roles.id, *(survey.column for survey in surveys)])):
        if not all(survey.lacks(cell) for survey, cell in zip(surveys, cells, strict=True)):
            continue
        split = SPLITS[split_of[number]]
        if split != "test" and roles.empty_target == "error":
            every = surveys[0].lacking
            others = f" (in total {told_counts(every)})" if every.total() > 1 else ""
            told = f"its target (column {surveys[0].column!r}) is {surveys[0].why(cells[0])}{others}"
            if len(surveys) > 1:
                told = f"none of its targets (columns {', '.join(map(repr, roles.targets))}) has a value"
            raise MmcliError(_without_target(place_of(number), str(identity), split, f"{told}; fix it"))
        lacking[split] += 1
        odd.update(str(cell) for cell in cells if not is_empty(cell))
        if split != "test":
            left_out.append(number)
    shown = f" ({told_counts(odd)})" if odd else ""
    if left_out:
        told = " and ".join(f"{lacking[split]} {split}" for split in ("train", "val") if lacking[split])
        reporter.warn(f"{told} rows have no target{shown} and are dropped (--empty-target drop)")
    elif odd:
        reporter.warn(f"{lacking['test']} test rows have no target{shown}: they are predicted but not evaluated")
    return frozenset(left_out)
