"""Detects the format of a delimited table from its first lines: delimiter, quoting and lines above the header."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mmcli.errors import UsageError
from mmcli.options import option

Quoting = Literal["auto", "minimal", "none"]
DELIMITERS = ",;\t|^"
NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "space": " "}
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 2000, 2**20
_QUOTED = re.compile(r'"[^"]*"')
_WHOLE = re.compile(r'"(?:[^"]|"")*"')
_NUMBER_OR_NOTHING = re.compile(r"\s*[-+\d.,eE%]*\s*")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)


TABLE = "Table file"


@dataclass(frozen=True)
class TableText:
    """The options for the format of a table file.

    Raises:
        UsageError: The delimiter is not a single character, or the header has a name twice.
    """

    encoding: str = option(
        "utf-8", group=TABLE, rare=True, metavar="NAME",
        help="Text encoding, such as utf-8, latin-1 or cp1252. A byte order mark in the file takes precedence.",
    )  # fmt: skip
    delimiter: str | None = option(
        None, group=TABLE, rare=True, metavar="CHAR", default_text="detected from the header",
        help="Cell delimiter: one character, or one of tab, comma, semicolon, bar and space.",
    )  # fmt: skip
    quoting: Quoting = option(
        "auto", group=TABLE, rare=True,
        help="minimal: cells may be quoted; none: quotes are ordinary characters; auto: detect.",
    )  # fmt: skip
    header: Sequence[str] = option(
        (), group=TABLE, rare=True, metavar="NAME,NAME,…", default_text="the first line",
        help="Column names, for a table without a header line.",
    )  # fmt: skip
    sheet: str | None = option(
        None, group=TABLE, rare=True, metavar="NAME", default_text="the first",
        help="Sheet of an Excel workbook to read.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        character = self.character
        if character is not None and (len(character) != 1 or character in '"\r\n'):
            raise UsageError(
                f"--delimiter {self.delimiter}: expected one character other than a quote or a line end, or one of "
                f"{', '.join(NAMES)}"
            )
        if len(set(self.columns)) < len(self.columns):
            raise UsageError(f"--header {','.join(self.header)}: column names must be unique")

    @property
    def columns(self) -> list[str]:
        """The column names in ``header``."""
        return [name.strip() for text in self.header for name in text.split(",") if name.strip()]

    def check_fits(self, name: str, *, delimited: bool = False, workbook: bool = False) -> None:
        """Refuse options that do not apply to this table's format.

        Raises:
            UsageError: An option for delimited text or for workbooks is given, and the table is not one.
        """
        if self.sheet is not None and not workbook:
            raise UsageError(f"--sheet {self.sheet}: {name} is not a workbook; leave the option out")
        said = [
            flag
            for flag, given in (
                ("--delimiter", self.delimiter is not None), ("--quoting", self.quoting != "auto"),
                ("--header", bool(self.header)),
            )
            if given
        ]  # fmt: skip
        if said and not delimited:
            raise UsageError(f"{', '.join(said)}: {name} is not delimited text; leave the option out")

    @property
    def character(self) -> str | None:
        """The delimiter itself."""
        return None if self.delimiter is None else NAMES.get(self.delimiter.lower(), self.delimiter)


@dataclass(frozen=True)
class Dialect:
    """How to split the lines of a table into cells.

    Args:
        delimiter: The character between cells.
        quoted: Whether cells may be quoted.
        spaced: Whether every delimiter is followed by a space that is not part of the cell.
        before: Number of lines above the header.
        notes: What the user should be told about all that.
    """

    delimiter: str
    quoted: bool = True
    spaced: bool = False
    before: int = 0
    notes: tuple[str, ...] = field(default=(), compare=False)


def told_dialect(lines: Iterable[str], text: TableText, tabs: bool) -> tuple[Dialect, Iterator[str]]:
    """Detect the dialect of a table; return it and all the lines.

    Args:
        lines: The lines with their line ends.
        text: The options for its format.
        tabs: Whether the table's suffix says that it is tab-separated.
    """
    rest = iter(lines)
    sample = _take(rest)
    whole = itertools.chain(sample, rest)
    notes: list[str] = []
    delimiter, before = text.character or ("\t" if tabs else None), 0
    separator = _SEPARATOR_LINE.fullmatch(sample[0]) if sample else None
    if separator is not None and len(sample) > 1:
        delimiter, before = text.character or separator[1], 1
    elif comments := _comments(sample, delimiter):
        before = comments
        notes.append(f"{comments} lines above the header that begin with # are skipped")
    begins = sample[before:]
    if delimiter is None:
        delimiter = max(DELIMITERS, key=_QUOTED.sub("", begins[0]).count) if begins else ","
    quoted = text.quoting == "minimal"
    if text.quoting == "auto":
        quoted = delimiter not in "\t|^" or _is_quoted(begins, delimiter, len(sample) < _SAMPLE_LINES)
        if not quoted and any(_starts_with_quote(line, delimiter) for line in begins):
            notes.append("quotes are read as part of the cells (--quoting minimal removes them)")
    spaced = quoted and delimiter in ",;" and _is_spaced(begins, delimiter)
    return Dialect(delimiter, quoted, spaced, before, tuple(notes)), whole


def _take(lines: Iterator[str]) -> list[str]:
    """Return the first lines, enough of them to detect the dialect."""
    sample: list[str] = []
    characters = 0
    for line in lines:
        sample.append(line)
        characters += len(line)
        if len(sample) == _SAMPLE_LINES or characters > _SAMPLE_CHARACTERS:
            break
    return sample


def _comments(sample: Sequence[str], delimiter: str | None) -> int:
    """Return how many lines at the start are comments: they begin with # and their number of cells differs."""
    count = 0
    while count < len(sample) and sample[count].startswith("#"):
        count += 1
    if not 0 < count < len(sample):
        return 0
    below = sample[count]
    known = delimiter or max(DELIMITERS, key=_QUOTED.sub("", below).count)
    return count if below.count(known) and sample[count - 1].count(known) != below.count(known) else 0


def _is_quoted(lines: Sequence[str], delimiter: str, whole: bool) -> bool:
    """Return whether a table with a delimiter that is usually unquoted is quoted like CSV.

    It is if all cells but numbers are quoted, or if every quoted cell needs its quotes because it holds a delimiter,
    a line end or a doubled quote. Unless the lines are the ``whole`` table, the last row may be cut off.
    """
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False  # an unclosed quote, or text after a closing quote
    width = len(rows[0]) if rows else 0
    if any(len(row) != width or rows_inside(row, delimiter, width) for row in (rows if whole else rows[:-1]) if row):
        return False
    text = "".join(lines)
    quoted = _WHOLE.findall(text)
    cells = [cell for row in rows for cell in row]
    throughout = len(quoted) >= sum(not _NUMBER_OR_NOTHING.fullmatch(cell) for cell in cells)
    needed = all(delimiter in cell or "\n" in cell or "\r" in cell or '""' in cell[1:-1] for cell in quoted)
    return bool(quoted) and (throughout or needed)


def rows_inside(cells: Sequence[str], delimiter: str, width: int) -> int:
    """Return how many lines a cell spans that look like rows themselves, as after a stray quote; 0 if none do."""
    for place, cell in enumerate(cells):
        first, *inner = cell.split("\n")
        whole = inner and width > 1 and first.count(delimiter) == width - 1 - place
        if whole and inner[-1].count(delimiter) == place and all(x.count(delimiter) == width - 1 for x in inner[:-1]):
            return len(inner) + 1
    return 0


def _starts_with_quote(line: str, delimiter: str) -> bool:
    return any(cell.startswith('"') for cell in line.split(delimiter))


def _is_spaced(lines: Sequence[str], delimiter: str) -> bool:
    """Return whether a space follows every delimiter outside quotes."""
    plain = [_QUOTED.sub('""', line.rstrip("\r\n")) for line in lines[:-1] or lines]
    counted = [(line.count(delimiter), line.count(f"{delimiter} ")) for line in plain if line.strip()]
    return bool(counted) and all(count and count == spaced for count, spaced in counted)
