"""Delimited tables: CSV, TSV, and others with bars or semicolons."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.dialect import TableText, rows_inside, told_dialect
from mmcli.store.sources.text_lines import LONGEST

INDEX = "index"
"""The name given to a nameless first column, which pandas and R write for row numbers or names."""


class DelimitedRows:
    """The rows below the header, each with the line it ends on.

    Args:
        lines: The lines of the table with their line ends.
        name: The table's name in messages.
        text: The options for its format.
        tabs: Whether its suffix says that it is tab-separated.
        skipped: Number of lines above these.
        on_bad: Called with the number of a line that has too few or too many cells, and the error; such lines are
            then skipped. Without it they are refused.

    Attributes:
        name: The table's name in messages.
        dialect: Its format.
        notes: How it is read, where that is not obvious.
        warnings: What may be wrong with it; reading may add more.

    Raises:
        MmcliError: The header is damaged; a damaged row raises it when it is reached.
    """

    def __init__(
        self,
        lines: Iterable[str],
        name: str,
        text: TableText | None = None,
        *,
        tabs: bool = False,
        skipped: int = 0,
        on_bad: Callable[[int, str], None] | None = None,
    ) -> None:
        csv.field_size_limit(LONGEST)
        self.name = name
        self._on_bad = on_bad
        text = text or TableText()
        self.dialect, rest = told_dialect(lines, text, tabs)
        self.notes = list(self.dialect.notes)
        self.warnings: list[str] = []
        self._skipped = skipped + self.dialect.before
        for _ in range(self.dialect.before):
            next(rest)
        first = next(rest, None)
        if first is None or first.isspace():
            raise MmcliError(f"{name}: empty; expected a header line with the names of the columns")
        self._reader = self._cells_of(_again(first, rest))
        self._given: list[str] | None = None
        self.columns = self._read_header(text.columns)

    @property
    def above(self) -> int:
        """The number of lines above the first row."""
        return self._skipped if self._given is not None else self._skipped + int(self._reader.line_num)

    def below(self, lines: Iterable[str], above: int) -> Iterator[tuple[str, Row]]:
        """Return the rows of lines further down the table, with ``above`` lines above them."""
        self._reader, self._skipped, self._given = self._cells_of(lines), above, None
        return iter(self)

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        columns, width = self.columns, len(self.columns)
        began = self._reader.line_num + 1
        swallowed = 0
        try:
            for cells in self._rows():
                line = self._reader.line_num
                where = f"{self.name}, line {line + self._skipped}"
                if line > began and (inner := rows_inside(cells, self.dialect.delimiter, width)):
                    swallowed += 1
                    if swallowed == 1:
                        self.warnings.append(
                            f"{self.name}, line {began + self._skipped}: a quoted cell spans {inner} lines that look "
                            f"like rows of their own; is a quote opened there and never closed?{_CHARACTERS}"
                        )
                began = line + 1
                if not cells or (len(cells) == 1 < width and not cells[0].strip()):
                    continue
                if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                    cells = cells[:width]  # a delimiter at the end of the line
                if len(cells) != width:
                    wrong = f"{where}: {len(cells)} cells, expected {width} as in the header{self._advice()}"
                    if self._on_bad is None:
                        raise MmcliError(wrong)
                    self._on_bad(line + self._skipped, wrong)
                    continue
                yield where, dict(zip(columns, cells, strict=True))
        except csv.Error as error:
            raise MmcliError(
                _damage(error, self.name, began + self._skipped, self._reader.line_num + self._skipped)
            ) from None

    def _cells_of(self, lines: Iterable[str]) -> Any:
        dialect = self.dialect
        return csv.reader(
            lines, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced, strict=True,
            quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        )  # fmt: skip

    def _rows(self) -> Iterator[list[str]]:
        if self._given is not None:
            yield self._given
        yield from self._reader

    def _read_header(self, given: Sequence[str]) -> list[str]:
        """Return the column names; if they were given, the line read is kept as the first row."""
        try:
            cells = next(self._reader)
        except csv.Error as error:
            line = self._reader.line_num + self._skipped
            raise MmcliError(_damage(error, self.name, 1 + self._skipped, line)) from None
        if given:
            self._given = cells
            return list(given)
        columns = [column.strip() for column in cells]
        while len(columns) > 1 and not columns[-1]:
            columns.pop()  # a delimiter at the end of the line
        if len(columns) > 1 and not columns[0]:
            columns[0] = INDEX if INDEX not in columns else f"{INDEX}_of_rows"
            self.notes.append(
                f"the first column has no name, as pandas and R write the index of rows: it is called {columns[0]!r}, "
                "and is used only if an option names it"
            )
        check_header(columns, self.name, 1 + self._skipped)
        row = f"{self.name}: the first line ({', '.join(columns)[:60]}) looks like a row, not like column names"
        names = "give the column names: --header NAME,NAME,…"
        if any('"' in column for column in columns):
            raise MmcliError(f"{row}; {names}")
        if all(re.fullmatch(r"[-+]?\d+\.?\d*", column) for column in columns):
            self.warnings.append(f"{row}; if the table has no header, {names}")
        return columns

    def _advice(self) -> str:
        known = {"\t": "tab", " ": "space"}.get(self.dialect.delimiter, self.dialect.delimiter)
        return f" (delimiter {known!r}; --delimiter and --quoting choose)"


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _damage(error: csv.Error, name: str, began: int, line: int) -> str:
    """Return the message for an error in the row that starts on line ``began`` and was read up to ``line``."""
    said = str(error)
    if "unexpected end" in said:
        return f"{name}, line {began}: a quote opened in this row is never closed{_CHARACTERS}"
    if "field larger" in said:
        return f"{name}, line {began}: a cell of more than {LONGEST:,} characters; is a quote opened and never closed?"
    if "expected after" in said:
        row = f" (the row begins on line {began})" if began != line else ""
        return (
            f"{name}, line {line}: text after a closing quote{row}; a quote inside a quoted cell is written "
            f"twice{_CHARACTERS}"
        )
    return f"{name}, line {line}: not CSV ({said})"


_CHARACTERS = " (--quoting none reads quotes as characters)"


def check_header(columns: Sequence[str], name: str, line: int = 1) -> None:
    """Refuse nameless columns and duplicate names.

    Raises:
        MmcliError: There are such columns; the message says which.
    """
    if "" in columns:
        raise MmcliError(f"{name}, line {line}: column {list(columns).index('') + 1} has no name")
    twice = next((column for column, count in Counter(columns).items() if count > 1), None)
    if twice is not None:
        places = " and ".join(str(place) for place, other in enumerate(columns, 1) if other == twice)
        raise MmcliError(f"{name}, line {line}: columns {places} are both named {twice!r}; rename one")
