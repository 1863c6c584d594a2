"""Reads a raw table into rows whose ids are unique, whose splits are known and whose targets are there."""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.reporting import Reporter
from mmcli.stages.groups import GroupSplits
from mmcli.stages.kinds import SAMPLE, TARGET_NAMES, infer_column
from mmcli.stages.late_columns import LateColumns
from mmcli.stages.splitting import DEFAULT_RATIO, SET_ASIDE, Splitter, is_set_aside, known_split, parse_ratio
from mmcli.stages.target_intake import refuse_empty, rows_without_target
from mmcli.stages.target_survey import TargetSurvey
from mmcli.stages.targets import target_columns, target_role
from mmcli.store.artifact import EmptyTarget, Roles
from mmcli.store.columns import Array, Row
from mmcli.store.labels import class_name
from mmcli.store.rows import RowFile, SpooledRows
from mmcli.store.samples import OWN_COLUMNS, SPLITS
from mmcli.store.sources.dialect import Quoting, TableText
from mmcli.store.sources.opening import Table, open_table

MOST_ROWS = 100_000_000


@dataclass(frozen=True)
class IntakeOptions:
    """What a person says of the table: the names of columns, and how to split."""

    id: str | None = None
    split: str | None = None
    target: str | Sequence[str] | None = None
    empty_target: EmptyTarget = "error"
    split_ratio: str | None = None
    stratify: str | None = None
    group_by: str | None = None
    limit: int | None = None
    seed: int = 0
    encoding: str = "utf-8"
    delimiter: str | None = None
    quoting: Quoting = "auto"
    header: Sequence[str] = ()
    sheet: str | None = None
    max_rows: int = MOST_ROWS
    learns: bool = True

    @property
    def named(self) -> set[str]:
        """The columns that a person named."""
        return {*filter(None, (self.id, self.split, self.stratify, self.group_by)), *target_columns(self.target)}

    @property
    def text(self) -> TableText:
        """How the table's text is written."""
        return TableText(self.encoding, self.delimiter, self.quoting, self.header, self.sheet)


@dataclass(frozen=True)
class Intake:
    """A raw table, checked.

    Args:
        table: Where it came from.
        rows: All rows, with id and split.
        roles: Which columns say what.
        columns: Their names.
        head: The first rows.
        split_of: The split of each row, (N,) places in ``SPLITS``.
        left_out: Train and val rows without a target, which nothing is to be made of.
        groups: The splits of each group, where rows have one.
    """

    table: Table
    rows: SpooledRows
    roles: Roles
    columns: list[str]
    head: list[Row]
    split_of: Array
    left_out: frozenset[int] = frozenset()
    groups: GroupSplits | None = None

    @property
    def splits(self) -> Counter[str]:
        """How many samples each split has."""
        return _count(np.delete(self.split_of, sorted(self.left_out)))


def take_in(source: str, options: IntakeOptions, reporter: Reporter) -> Intake:
    """Read a table once, check every row and assign splits.

    Raises:
        MmcliError: A row, id, split or target is not as it must be; the message names the line.
    """
    table = open_table(source, text=options.text)
    stream: Iterator[tuple[str, Row]] = ((where, _without_own_columns(row, where)) for where, row in table.rows)
    if options.limit is not None:
        stream = itertools.islice(stream, options.limit)
    else:
        stream = _at_most(options.max_rows, stream, table)
    head = list(itertools.islice(stream, SAMPLE))
    if not head:
        raise MmcliError(f"{table.name}: no rows; nothing can be learnt from it")
    columns = list(table.columns or dict.fromkeys(column for _, row in head for column in row))
    for note in table.notes:
        reporter.note(f"{table.name}: {note}")
    if table.columns is None:
        stream = _read_on(stream, columns, options.named)
    roles = _find_roles(table.name, columns, options, reporter)
    late = LateColumns(columns, roles, table.columns is None)
    surveys = [TargetSurvey(column) for column in roles.targets]
    made = roles.split not in columns or options.split_ratio is not None
    groups = None if roles.group is None else GroupSplits(roles.group, made)
    splitter = None
    if made:
        ratio = parse_ratio(options.split_ratio) if options.split_ratio else DEFAULT_RATIO
        splitter = Splitter(ratio, options.seed)
    rows, hashes, split_of = _write_rows(
        itertools.chain(head, stream), roles, columns, options.stratify, splitter, groups, surveys, late
    )
    if splitter is not None and groups is not None:
        rows, split_of = _fill_empty_splits(rows, split_of, roles, splitter, groups)
    _check_ids(rows, hashes, roles, source, options)
    left_out = rows_without_target(rows, split_of, surveys, roles, partial(_place, source, options), reporter)
    splits = _count(np.delete(split_of, sorted(left_out)))
    if not splits["train"] and options.learns:
        found = _tell(splits)
        raise MmcliError(f"{table.name}: no train rows (found {found}); nothing can be learnt from it")
    if not splits["val"] and splits["train"]:
        rows, split_of = _set_val_aside(rows, roles, options.seed)
        count = _count(np.delete(split_of, sorted(left_out)))["val"]
        unit = "id" if roles.group is None else roles.group
        if count:
            reporter.note(f"no val rows: {count} of the train rows set aside ({SET_ASIDE:.0%}, by hash of the {unit})")
        else:
            few = f"rows ({len(split_of)})" if groups is None else f"groups of {roles.group!r} ({len(groups)})"
            reporter.warn(f"no val rows, and too few {few} to set some of train aside for val")
    if splitter is not None and splitter.ratio[2] and not splits["test"]:
        few = f"{len(split_of)} rows" if groups is None else f"{len(groups)} groups of {roles.group!r}"
        reporter.warn(f"no test rows: {few} are too few for a test split; give a split column, or more of them")
    for warning in table.warnings:
        reporter.warn(warning)
    if not roles.targets and (target := infer_column(late.columns, TARGET_NAMES)) is not None:
        reporter.warn(f"{table.name}: {target!r} begins in a later row; it is the target if named: --target {target}")
    head_rows = [row for _, row in head] + late.rows
    return Intake(table, rows, roles, columns + late.columns, head_rows, split_of, left_out, groups)


def _read_on(stream: Iterator[tuple[str, Row]], columns: list[str], named: set[str]) -> Iterator[tuple[str, Row]]:
    """Read rows on until each named column has been in one; return all that were read, and those after them."""
    if named <= set(columns):
        return stream
    passed = SpooledRows()
    for where, row in stream:
        passed.append({"where": where, "row": row})
        columns += [column for column in row if column not in columns]
        if named <= set(columns):
            break
    return itertools.chain(((each["where"], each["row"]) for each in passed.close()), stream)


def _at_most(most: int, stream: Iterator[tuple[str, Row]], table: Table) -> Iterator[tuple[str, Row]]:
    """Refuse a table that is longer than a person means it to be, before it fills the disk."""
    for number, row in enumerate(stream):
        if number == most or (number == 0 and (table.count or 0) > most):
            told = f"{table.count:,}" if table.count else f"more than {most:,}"
            raise MmcliError(
                f"{table.name}: {told} rows, --max-rows allows {most:,}; allow more, or take the first with --limit"
            )
        yield row


def _without_own_columns(row: Row, where: str) -> Row:
    """Take mmcli's own columns off a row that another stage wrote; refuse a table's columns of the same names."""
    if isinstance(row.get("row"), int) and isinstance(row.get("status"), dict):
        return {name: value for name, value in row.items() if name not in OWN_COLUMNS}
    for name in OWN_COLUMNS:
        if name in row:
            raise MmcliError(f"{where}: a column is named {name!r}, a name that mmcli writes itself; rename it")
    return row


def _find_roles(name: str, columns: Sequence[str], options: IntakeOptions, reporter: Reporter) -> Roles:
    targets = target_columns(options.target)
    for column in (options.id, options.split, *targets, options.stratify, options.group_by):
        if column is not None:
            require_column(column, columns, name)
    if options.split is not None and options.split_ratio is not None:
        raise UsageError("--split and --split-ratio exclude each other")
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
        reporter.note(f"train, val and test made by hash of the {options.group_by or 'id'}: {ratio}")
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
        MmcliError: It has not; the message lists the columns there are.
    """
    if column not in columns:
        raise MmcliError(f"{name}: {unknown_name('column', column, columns)}")


def _free_name(name: str, columns: Sequence[str]) -> str:
    return name if name not in columns else f"mmcli_{name}"


def _write_rows(
    stream: Iterator[tuple[str, Row]],
    roles: Roles,
    columns: list[str],
    stratify: str | None,
    splitter: Splitter | None,
    groups: GroupSplits | None,
    surveys: Sequence[TargetSurvey],
    late: LateColumns,
) -> tuple[SpooledRows, Array, Array]:
    """Write the rows with id and split; return them, a hash of each id, and the split of each.

    ``surveys`` count the cells of the targets, ``late`` finds columns that earlier rows lack. Ids are compared by
    hashes of 8 bytes, so that a million of them take 8 MB.
    """
    hashes, codes = array("Q"), array("B")
    rows = SpooledRows()
    for number, (where, row) in enumerate(stream):
        late.look(row, where)
        identity = str(number) if roles.id not in columns else _cell(row, roles.id)
        if not identity or not _is_text(identity):
            raise MmcliError(f"{where}: the id (column {roles.id!r}) is {'no text' if identity else 'empty'}")
        group = None if roles.group is None else _cell(row, roles.group) or None
        if splitter is not None:
            stratum = None if stratify is None else class_name(row.get(stratify)) or _cell(row, stratify)
            split = splitter.assign(identity, group, stratum)
        else:
            split = known_split(row.get(roles.split), f"{where}, column {roles.split!r}")
        if groups is not None:
            groups.add(group, split)
        for survey in surveys:
            survey.add(row.get(survey.column), split == "train")
        if split != "test":
            refuse_empty(row, where, identity, split, roles)
        hashes.append(int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big"))
        codes.append(SPLITS.index(split))
        rows.append({roles.id: identity, **row, roles.split: split})
    return rows.close(), np.frombuffer(hashes, np.uint64), np.frombuffer(codes, np.uint8)


def _cell(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None or value != value else str(value).strip()


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _check_ids(rows: RowFile, hashes: Array, roles: Roles, source: str, options: IntakeOptions) -> None:
    values, counts = np.unique(hashes, return_counts=True)
    if (counts > 1).any():
        seen: dict[str, int] = {}
        for number in np.flatnonzero(np.isin(hashes, values[counts > 1])):
            identity = _cell(rows.rows(int(number), int(number) + 1)[0], roles.id)
            if identity in seen:
                raise MmcliError(
                    f"{_places(source, seen[identity], int(number), options)}: both have the id {_short(identity)!r}; "
                    "ids must be unique (--id names another column)"
                )
            seen[identity] = int(number)


def _place(source: str, options: IntakeOptions, number: int) -> str:
    """Return where a row of the table stands; see ``_places``."""
    if source == "-":
        return f"standard input, row {number + 1}"
    rows = open_table(source, text=options.text).rows
    return next(where for where, _ in itertools.islice(rows, number, None))


def _places(source: str, first: int, second: int, options: IntakeOptions) -> str:
    """Return where two rows of the table stand; a table is read again to find out, standard input cannot be."""
    if source == "-":
        return f"standard input, rows {first + 1} and {second + 1}"
    places = itertools.islice((where for where, _ in open_table(source, text=options.text).rows), second + 1)
    found = [where for number, where in enumerate(places) if number in (first, second)]
    return f"{found[0]} and {found[1].removeprefix(source).lstrip(', ')}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _set_val_aside(rows: SpooledRows, roles: Roles, seed: int) -> tuple[SpooledRows, Array]:
    """Move train rows to val; where the hash would take them all, none."""
    units = [_unit(row, roles) for row in rows if _is_train(row, roles)]
    if all(is_set_aside(unit, seed) for unit in units):
        raise MmcliError(
            f"too few train rows ({len(units)}) to set some aside for val; give val rows in the split column"
        )

    def moved(row: Row) -> str:
        return "val" if _is_train(row, roles) and is_set_aside(_unit(row, roles), seed) else str(row[roles.split])

    return _with_splits(rows, roles, moved)


def _fill_empty_splits(
    rows: SpooledRows, split_of: Array, roles: Roles, splitter: Splitter, groups: GroupSplits
) -> tuple[SpooledRows, Array]:
    """Move a group to each split that was to have rows and, the groups being few, has none."""
    moves = groups.moves(dict(zip(SPLITS, splitter.ratio, strict=True)), splitter.seed)
    if not moves:
        return rows, split_of
    return _with_splits(rows, roles, lambda row: moves.get(_cell(row, roles.group or ""), str(row[roles.split])))


def _with_splits(rows: SpooledRows, roles: Roles, split: Callable[[Row], str]) -> tuple[SpooledRows, Array]:
    """Return the rows with other splits, and the split of each."""
    codes = array("B")
    changed = SpooledRows()
    for row in rows:
        row[roles.split] = split(row)
        codes.append(SPLITS.index(row[roles.split]))
        changed.append(row)
    return changed.close(), np.frombuffer(codes, np.uint8)


def _unit(row: Row, roles: Roles) -> str:
    """Return what may not be torn apart: the row's group, or itself where it has none."""
    group = "" if roles.group is None else _cell(row, roles.group)
    return group or str(row[roles.id])


def _is_train(row: Row, roles: Roles) -> bool:
    return bool(row[roles.split] == "train")


def _count(codes: Array) -> Counter[str]:
    return Counter({split: int((codes == code).sum()) for code, split in enumerate(SPLITS) if (codes == code).any()})


def _tell(splits: Counter[str]) -> str:
    return ", ".join(f"{count} {split}" for split, count in sorted(splits.items())) or "none"
