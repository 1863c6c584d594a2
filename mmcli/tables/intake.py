"""Reads a raw table into rows with unique ids, known splits and checked targets."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.reporting import Reporter
from mmcli.store.artifact import Roles
from mmcli.store.columns import Array, Row
from mmcli.store.samples import SPLITS
from mmcli.store.sources.opening import Table, open_table
from mmcli.store.splitting import DEFAULT_RATIO, SET_ASIDE, Splitter, is_set_aside, parse_ratio
from mmcli.store.string_rows import Spool
from mmcli.tables.config import TARGET_NAMES, IntakeConfig
from mmcli.tables.groups import GroupSplits
from mmcli.tables.kinds import infer_column
from mmcli.tables.reading import BlockReading, Bounds, Reading, RowReading
from mmcli.tables.row_checks import RowChecks, stripped
from mmcli.tables.target_intake import rows_without_target
from mmcli.tables.target_survey import TargetSurvey
from mmcli.tasks.targets import target_columns, target_role


@dataclass(frozen=True)
class Intake:
    """A raw table, checked.

    Args:
        table: The source.
        rows: All rows, with id and split.
        roles: The columns of ids, splits, targets and groups.
        columns: The names of all columns.
        head: The first rows.
        split_of: The split of each row, (N,) indexes into ``SPLITS``.
        left_out: Train and val rows without a target, which are not processed.
        groups: The splits of each group, if rows have groups.
    """

    table: Table
    rows: Spool
    roles: Roles
    columns: list[str]
    head: list[Row]
    split_of: Array
    left_out: frozenset[int] = frozenset()
    groups: GroupSplits | None = None

    @property
    def splits(self) -> Counter[str]:
        """The number of samples in each split."""
        return _count(np.delete(self.split_of, sorted(self.left_out)))


def take_in(source: str, options: IntakeConfig, reporter: Reporter, learns: bool = True) -> Intake:
    """Read a table once, check every row and assign splits; if something ``learns`` from it, it must have train rows.

    Raises:
        MmcliError: A row, id, split or target is invalid; the message names the line.
    """
    table = open_table(source, text=options.written)
    reading = _begun(table, options)
    if not reading.head:
        raise MmcliError(f"{table.name}: no rows; there is nothing to learn from")
    for note in table.notes:
        reporter.note(f"{table.name}: {note}")
    reading.read_on(_named(options))
    columns = reading.columns
    roles = _find_roles(table.name, columns, options, reporter)
    surveys = [TargetSurvey(column) for column in roles.targets]
    made = roles.split not in columns or options.split_ratio is not None
    groups = None if roles.group is None else GroupSplits(roles.group, made)
    splitter = None
    if made:
        ratio = parse_ratio(options.split_ratio) if options.split_ratio else DEFAULT_RATIO
        splitter = Splitter(ratio, options.seed)
    checks = RowChecks(roles, roles.id in columns, options.stratify, splitter, groups, surveys)
    rows = reading.write(checks)
    split_of = checks.split_of
    if splitter is not None and groups is not None:
        rows, split_of = _fill_empty_splits(rows, split_of, roles, splitter, groups)
    _check_ids(rows, checks.hashes, roles, source, options)
    left_out = rows_without_target(rows, split_of, surveys, roles, partial(_place, source, options), reporter)
    splits = _count(np.delete(split_of, sorted(left_out)))
    if not splits["train"] and learns:
        found = _tell(splits)
        raise MmcliError(f"{table.name}: no train rows (found {found}); there is nothing to learn from")
    if not splits["val"] and splits["train"]:
        rows, split_of = _set_val_aside(rows, split_of, roles, options.seed)
        count = _count(np.delete(split_of, sorted(left_out)))["val"]
        unit = "id" if roles.group is None else roles.group
        if count:
            reporter.note(f"no val rows: {count} of the train rows set aside ({SET_ASIDE:.0%}, by hash of the {unit})")
        else:
            few = f"rows ({len(split_of)})" if groups is None else f"groups of {roles.group!r} ({len(groups)})"
            reporter.warn(f"no val rows, and too few {few} to set some train rows aside for val")
    if splitter is not None and splitter.ratio[2] and not splits["test"]:
        few = f"{len(split_of)} rows" if groups is None else f"{len(groups)} groups of {roles.group!r}"
        reporter.warn(f"no test rows: {few} are too few for a test split; add a split column or more of them")
    for warning in table.warnings:
        reporter.warn(warning)
    late = reading.late_columns
    if not roles.targets and (target := infer_column(late, TARGET_NAMES)) is not None:
        reporter.warn(
            f"{table.name}: column {target!r} appears only in later rows; to predict it, name it: --target {target}"
        )
    return Intake(table, rows, roles, columns + late, reading.head + reading.late_rows, split_of, left_out, groups)


def _begun(table: Table, options: IntakeConfig) -> Reading:
    bounds = Bounds(options.limit, options.max_rows)
    return RowReading(table, bounds) if table.blocks is None else BlockReading(table, table.blocks(), bounds)


def _named(options: IntakeConfig) -> set[str]:
    """Return the columns that the options name."""
    return {*filter(None, (options.id, options.split, options.stratify, options.group_by)), *options.target}


def _find_roles(name: str, columns: Sequence[str], options: IntakeConfig, reporter: Reporter) -> Roles:
    targets = target_columns(options.target)
    for column in (options.id, options.split, *targets, options.stratify, options.group_by):
        if column is not None:
            require_column(column, columns, name)
    if options.split is not None and options.split_ratio is not None:
        raise UsageError("--split and --split-ratio cannot be combined")
    identity = options.id or infer_column(columns, ["id"])
    split = options.split if options.split_ratio else options.split or infer_column(columns, ["split"])
    if not targets:
        target = infer_column([column for column in columns if column not in (identity, split)], TARGET_NAMES)
        if target is not None:
            targets = (target,)
            reporter.note(f"target: column {target!r} (--target names another)")
    if identity is None:
        reporter.note("no id column: samples are numbered from 0 (--id names a column)")
    if split is None:
        ratio = options.split_ratio or ",".join(map(str, DEFAULT_RATIO))
        reporter.note(f"rows split into train, val and test by hash of the {options.group_by or 'id'}: {ratio}")
    return Roles(
        id=identity or _free_name("id", columns),
        split=split or _free_name("split", columns),
        target=target_role(targets),
        group=options.group_by,
        empty_target=options.empty_target,
    )


def require_column(column: str, columns: Sequence[str], name: str) -> None:
    """Check that a table has a column.

    Raises:
        MmcliError: It does not; the message lists its columns.
    """
    if column not in columns:
        raise MmcliError(f"{name}: {unknown_name('column', column, columns)}")


def _free_name(name: str, columns: Sequence[str]) -> str:
    return name if name not in columns else f"mmcli_{name}"


def _check_ids(rows: Spool, hashes: Array, roles: Roles, source: str, options: IntakeConfig) -> None:
    values, counts = np.unique(hashes, return_counts=True)
    if (counts > 1).any():
        seen: dict[str, int] = {}
        for number in np.flatnonzero(np.isin(hashes, values[counts > 1])):
            identity = stripped(rows.rows(int(number), int(number) + 1)[0][roles.id])
            if identity in seen:
                raise MmcliError(
                    f"{_places(source, seen[identity], int(number), options)}: both have the id {_short(identity)!r}; "
                    "ids must be unique (--id names another column)"
                )
            seen[identity] = int(number)


def _place(source: str, options: IntakeConfig, number: int) -> str:
    """Return the place of a row in the table; see ``_places``."""
    if source == "-":
        return f"standard input, row {number + 1}"
    rows = open_table(source, text=options.written).rows
    return next(where for where, _ in itertools.islice(rows, number, None))


def _places(source: str, first: int, second: int, options: IntakeConfig) -> str:
    """Return the places of two rows in the table, reading it again unless it is standard input."""
    if source == "-":
        return f"standard input, rows {first + 1} and {second + 1}"
    places = itertools.islice((where for where, _ in open_table(source, text=options.written).rows), second + 1)
    found = [where for number, where in enumerate(places) if number in (first, second)]
    return f"{found[0]} and {found[1].removeprefix(source).lstrip(', /')}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _set_val_aside(rows: Spool, split_of: Array, roles: Roles, seed: int) -> tuple[Spool, Array]:
    """Move train rows to val by hash; refuse if that would be all of them."""
    train = split_of == SPLITS.index("train")
    aside = [number for number, unit in enumerate(_units(rows, roles)) if train[number] and is_set_aside(unit, seed)]
    if len(aside) == train.sum():
        raise MmcliError(
            f"too few train rows ({len(aside)}) to set some aside for val; mark val rows in the split column"
        )
    changed = split_of.copy()
    changed[aside] = SPLITS.index("val")
    return _with_splits(rows, roles, changed)


def _fill_empty_splits(
    rows: Spool, split_of: Array, roles: Roles, splitter: Splitter, groups: GroupSplits
) -> tuple[Spool, Array]:
    """Move a group to each split that should have rows but has none because there are few groups."""
    moves = groups.moves(dict(zip(SPLITS, splitter.ratio, strict=True)), splitter.seed)
    if not moves:
        return rows, split_of
    changed = split_of.copy()
    for number, unit in enumerate(_units(rows, roles)):
        if unit in moves:
            changed[number] = SPLITS.index(moves[unit])
    return _with_splits(rows, roles, changed)


def _with_splits(rows: Spool, roles: Roles, split_of: Array) -> tuple[Spool, Array]:
    """Return the rows with these splits, and the splits."""
    return rows.with_splits(roles.split, [SPLITS[code] for code in split_of.tolist()]), split_of


def _units(rows: Spool, roles: Roles) -> Iterator[str]:
    """Yield for each row the unit that must stay in one split: its group, or its id if it has none."""
    columns = [roles.id] if roles.group is None else [roles.id, roles.group]
    for identity, *group in rows.cells(columns):
        yield (stripped(group[0]) if group else "") or str(identity)


def _count(codes: Array) -> Counter[str]:
    return Counter({split: int((codes == code).sum()) for code, split in enumerate(SPLITS) if (codes == code).any()})


def _tell(splits: Counter[str]) -> str:
    return ", ".join(f"{count} {split}" for split, count in sorted(splits.items())) or "none"
