"""Reads a raw table once: row by row, or in blocks of rows whose cells are all strings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.rows import SpooledRows
from mmcli.store.samples import OWN_COLUMNS
from mmcli.store.sources.blocks import Block
from mmcli.store.sources.opening import Table
from mmcli.store.string_rows import SpooledStrings
from mmcli.tables.kinds import SAMPLE
from mmcli.tables.late_columns import LateColumns
from mmcli.tables.row_checks import RowChecks


@dataclass(frozen=True)
class Bounds:
    """How many rows are read: ``limit``, or all; the table may have at most ``most``."""

    limit: int | None
    most: int

    def refusal(self, table: Table) -> MmcliError:
        """Return the error for a table of more than ``most`` rows."""
        told = f"{table.count:,}" if table.count else f"more than {self.most:,}"
        return MmcliError(
            f"{table.name}: {told} rows, but --max-rows allows {self.most:,}; raise it, or use the first N rows with "
            "--limit N"
        )


class Reading(Protocol):
    """A table that is being read.

    Attributes:
        columns: The columns of the first rows.
        head: The first rows.
        late_columns: Columns that first appear in later rows, found by ``write``.
        late_rows: The first rows that have any of them.
    """

    columns: list[str]
    head: list[Row]
    late_columns: list[str]
    late_rows: list[Row]

    def read_on(self, named: set[str]) -> None:
        """Read on until every one of these columns has been seen, if rows may lack some."""

    def write(self, checks: RowChecks) -> SpooledRows | SpooledStrings:
        """Check every row and return all with ids and splits.

        Raises:
            MmcliError: A row is invalid, or there are too many.
        """


class RowReading:
    """Reads row by row."""

    def __init__(self, table: Table, bounds: Bounds) -> None:
        stream: Iterator[tuple[str, Row]] = ((where, _without_own_columns(row, where)) for where, row in table.rows)
        if bounds.limit is not None:
            self._stream: Iterator[tuple[str, Row]] = itertools.islice(stream, bounds.limit)
        else:
            self._stream = _at_most(bounds, stream, table)
        head = list(itertools.islice(self._stream, SAMPLE))
        self._stream = itertools.chain(head, self._stream)
        self.head = [row for _, row in head]
        self._all_alike = table.columns is not None
        self.columns = list(table.columns or dict.fromkeys(column for row in self.head for column in row))
        self.late_columns: list[str] = []
        self.late_rows: list[Row] = []

    def read_on(self, named: set[str]) -> None:
        """Read on until every named column has been seen."""
        if self._all_alike or named <= set(self.columns):
            return
        passed = SpooledRows()
        for where, row in self._stream:
            passed.append({"where": where, "row": row})
            self.columns += [column for column in row if column not in self.columns]
            if named <= set(self.columns):
                break
        self._stream = itertools.chain(((each["where"], each["row"]) for each in passed.close()), self._stream)

    def write(self, checks: RowChecks) -> SpooledRows:
        """Check every row and return all with ids and splits."""
        roles, rows = checks.roles, SpooledRows()
        late = LateColumns(self.columns, roles, not self._all_alike)
        for where, row in self._stream:
            late.look(row, where)
            identity, split = checks.check(where, row)
            rows.append({roles.id: identity, **row, roles.split: split})
        self.late_columns, self.late_rows = late.columns, late.rows
        return rows.close()


class BlockReading:
    """Reads in blocks; every row has every column."""

    def __init__(self, table: Table, blocks: Iterator[Block], bounds: Bounds) -> None:
        self._blocks = _bounded(bounds, blocks, table)
        first: list[Block] = []
        while sum(map(len, first)) < SAMPLE and (block := next(self._blocks, None)) is not None:
            first.append(block)
        self._blocks = itertools.chain(first, self._blocks)
        placed = list(itertools.islice((each for block in first for each in block.placed()), SAMPLE))
        for where, row in placed[:1]:
            _without_own_columns(row, where)
        self.head = [row for _, row in placed]
        self.columns = list(table.columns or ())
        self.late_columns: list[str] = []
        self.late_rows: list[Row] = []

    def read_on(self, named: set[str]) -> None:
        """Do nothing: there are no later columns."""

    def write(self, checks: RowChecks) -> SpooledStrings:
        """Check every row and return all with ids and splits."""
        rows = SpooledStrings(self.columns, checks.roles.id, checks.roles.split)
        for block in self._blocks:
            checks.check_block(block)
            rows.append(block.rows)
        return rows.close(checks.split_of)


def _at_most(bounds: Bounds, stream: Iterator[tuple[str, Row]], table: Table) -> Iterator[tuple[str, Row]]:
    """Refuse a table of more rows than allowed before it fills the disk."""
    for number, row in enumerate(stream):
        if number == bounds.most or (number == 0 and (table.count or 0) > bounds.most):
            raise bounds.refusal(table)
        yield row


def _bounded(bounds: Bounds, blocks: Iterator[Block], table: Table) -> Iterator[Block]:
    left = bounds.most if bounds.limit is None else bounds.limit
    for block in blocks:
        if left:
            yield block if len(block) <= left else block.first(left)
        if len(block) > left and bounds.limit is None:
            raise bounds.refusal(table)
        left -= min(left, len(block))
        if not left and bounds.limit is not None:
            return


def _without_own_columns(row: Row, where: str) -> Row:
    """Remove mmcli's own columns from a row that a stage wrote; refuse a table's columns with these names."""
    if isinstance(row.get("row"), int) and isinstance(row.get("status"), dict):
        return {name: value for name, value in row.items() if name not in OWN_COLUMNS}
    for name in OWN_COLUMNS:
        if name in row:
            raise MmcliError(f"{where}: the column name {name!r} is reserved by mmcli; rename the column")
    return row
