"""Sheets of Excel workbooks (.xlsx, .xlsm), read row by row."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from mmcli.errors import MmcliError, UsageError, missing_package, unknown_name
from mmcli.store.columns import Row
from mmcli.store.sources.delimited import check_header

_MOST_UNPACKED = 2**31
_RATIO = 500
_FORMULA = re.compile(rb"<(\w+:)?f[\s/>]")
_SHOWN = 3


def read_excel(path: Path, sheet: str | None, warnings: list[str]) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """Return the columns and rows of a sheet, the first one of cells if none is named.

    Args:
        path: The workbook.
        sheet: Its name.
        warnings: Gets which formulas have no value.

    Raises:
        MmcliError: It is no workbook, has no such sheet, or needs openpyxl.
    """
    _check_size(path)
    sheets, charts = _open_sheets(path)
    if sheet in charts:
        raise MmcliError(f"{path}: the sheet {sheet!r} is a chart, which has no rows; name another")
    if sheet is not None and sheet not in sheets:
        raise UsageError(f"{path}: {unknown_name('sheet', sheet, list(sheets))}")
    if not sheets:
        raise MmcliError(f"{path}: has no sheet of cells")
    chosen = sheets[next(iter(sheets)) if sheet is None else sheet]
    chosen.reset_dimensions()  # what a sheet says of its size may be wrong
    _warn_of_formulas(path, chosen, warnings)
    rows = _cells(chosen, path)
    header = next(rows, None)
    if header is None:
        raise MmcliError(f"{path}: empty; expected a first row with the names of the columns")
    columns = ["" if cell is None else str(cell).strip() for cell in header[1]]
    while columns and not columns[-1]:
        columns.pop()
    check_header(columns, str(path), header[0])
    return columns, _rows(rows, columns, path)


def _open_sheets(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the sheets of cells by their names, in order, and the names of those that are charts."""
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise missing_package(str(path), error.name or "openpyxl") from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl fed arbitrary bytes
        raise MmcliError(f"{path}: not a whole Excel workbook ({_line(error)})") from None
    return {sheet.title: sheet for sheet in book.worksheets}, [chart.title for chart in book.chartsheets]


def _rows(rows: Iterator[tuple[int, list[Any]]], columns: list[str], path: Path) -> Iterator[tuple[str, Row]]:
    for number, cells in rows:
        if all(cell is None for cell in cells):
            continue
        where = f"{path}, row {number}"
        if any(cell is not None for cell in cells[len(columns) :]):
            raise MmcliError(f"{where}: a cell beyond the last column that has a name ({columns[-1]!r})")
        padded = [*cells, *[None] * (len(columns) - len(cells))]
        yield where, {column: _plain(cell) for column, cell in zip(columns, padded, strict=False)}


def _cells(sheet: Any, path: Path) -> Iterator[tuple[int, list[Any]]]:
    try:
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            yield number, list(row)
    except MmcliError:
        raise
    except Exception as error:  # openpyxl fed damaged XML
        raise MmcliError(f"{path}: not a whole Excel workbook ({_line(error)})") from None


def _warn_of_formulas(path: Path, sheet: Any, warnings: list[str]) -> None:
    """Warn of cells that hold a formula and not what it comes to, as programs write them that do not calculate."""
    try:
        with zipfile.ZipFile(path) as book:
            member = sheet._worksheet_path
            with book.open(member) as content:
                if not _has_formulas(content):
                    return
            with book.open(member) as content:
                cells = _without_value(content)
    except Exception as error:  # damaged XML
        raise MmcliError(f"{path}: not a whole Excel workbook ({_line(error)})") from None
    if cells:
        one = len(cells) == 1
        warnings.append(
            f"{path}, sheet {sheet.title!r}: {len(cells)} {'cell holds a formula' if one else 'cells hold formulas'} "
            f"without a saved value ({', '.join(cells[:_SHOWN])}{', …' if len(cells) > _SHOWN else ''}), taken for "
            "empty; open the workbook in a spreadsheet program and save it"
        )


def _has_formulas(content: IO[bytes]) -> bool:
    before = b""
    while part := content.read(2**20):
        if _FORMULA.search(before + part):
            return True
        before = part[-64:]
    return False


def _without_value(content: IO[bytes]) -> list[str]:
    """Return the places of the formulas whose value is not saved; an empty text is one, and is said to be text."""
    found = []
    for _, element in ElementTree.iterparse(content):
        name = element.tag.rpartition("}")[2]
        if name == "c" and element.find("{*}f") is not None and element.get("t") != "str":
            value = element.find("{*}v")
            if value is None or not value.text:
                found.append(element.get("r") or "?")
        if name == "row":
            element.clear()
    return found


def _plain(cell: Any) -> Any:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)  # a spreadsheet has no other numbers
    return cell if isinstance(cell, str | int | float | bool) else str(cell)


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise MmcliError(f"{path}: not a whole Excel workbook ({_line(error)})") from None
    if size > max(_MOST_UNPACKED // 16, min(_MOST_UNPACKED, _RATIO * path.stat().st_size)):
        raise MmcliError(f"{path}: unpacks to {size:,} bytes, more than workbooks of its size do; save it as CSV")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
