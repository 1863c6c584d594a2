"""Tables whose cells are parted by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.text_lines import LONGEST

_QUOTED = re.compile(r'"[^"]*"')


def read_delimited(
    lines: Iterable[str], name: str, delimiter: str | None = None, skipped: int = 0
) -> Iterator[tuple[str, Row]]:
    """Return the rows below the header, each with the line it ends in.

    Args:
        lines: The lines of the table with their line ends.
        name: What messages call it.
        delimiter: None takes the one of comma, semicolon and tab that the header has most of.
        skipped: Lines that stood before these.

    Raises:
        MmcliError: The header or a row is damaged.
    """
    csv.field_size_limit(LONGEST)
    rest = iter(lines)
    first = next(rest, None)
    if first is None or first.isspace():
        raise MmcliError(f"{name}: empty; expected a header line with the names of the columns")
    if delimiter is None:
        delimiter = max(",;\t", key=_QUOTED.sub("", first).count)
    reader = csv.reader(itertools.chain([first], rest), delimiter=delimiter, strict=True)
    began = 1
    try:
        columns = [column.strip() for column in next(reader)]
        check_header(columns, name)
        began = reader.line_num + 1
        for cells in reader:
            where = f"{name}, line {reader.line_num + skipped}"
            began = reader.line_num + 1
            if not cells or (len(cells) == 1 < len(columns) and not cells[0].strip()):
                continue
            if len(cells) != len(columns):
                raise MmcliError(f"{where}: {len(cells)} cells, expected {len(columns)} as in the header")
            yield where, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise MmcliError(_damage(error, name, began + skipped, reader.line_num + skipped)) from None


def _damage(error: csv.Error, name: str, began: int, line: int) -> str:
    """Say what is wrong with the row that began on one line and was read up to another."""
    said = str(error)
    if "unexpected end" in said:
        return f"{name}, line {began}: a quote is opened in this row and never closed"
    if "field larger" in said:
        return f"{name}, line {began}: a cell of more than {LONGEST:,} characters; is a quote opened and never closed?"
    if "expected after" in said:
        row = f" (the row begins on line {began})" if began != line else ""
        return f"{name}, line {line}: text after a closing quote{row}; a quote inside a quoted cell is written twice"
    return f"{name}, line {line}: not CSV ({said})"


def check_header(columns: list[str], name: str) -> None:
    """Refuse columns without a name, and two of one name.

    Raises:
        MmcliError: There are such columns; the message says which.
    """
    for column in columns:
        if not column:
            raise MmcliError(f"{name}, line 1: column {columns.index(column) + 1} has no name")
        if columns.count(column) > 1:
            places = " and ".join(str(place) for place, other in enumerate(columns, 1) if other == column)
            raise MmcliError(f"{name}, line 1: columns {places} are both named {column!r}; rename one")
