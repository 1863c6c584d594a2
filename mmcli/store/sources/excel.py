"""Sheets of Excel workbooks (.xlsx, .xlsm), read row by row."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError, missing_package, unknown_name
from mmcli.store.columns import Row
from mmcli.store.sources.delimited import check_header

_MOST_UNPACKED = 2**31
_RATIO = 500


def read_excel(path: Path, sheet: str | None) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """Return the columns and rows of a sheet, the first one if none is named.

    Raises:
        MmcliError: It is no workbook, has no such sheet, or needs openpyxl.
    """
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise missing_package(str(path), error.name or "openpyxl") from None
    _check_size(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        names = book.sheetnames
    except Exception as error:  # openpyxl fed arbitrary bytes
        raise MmcliError(f"{path}: not a whole Excel workbook ({_line(error)})") from None
    if sheet is not None and sheet not in names:
        raise MmcliError(f"{path}: {unknown_name('sheet', sheet, names)}")
    rows = _cells(book[sheet or names[0]], path)
    header = next(rows, None)
    if header is None:
        raise MmcliError(f"{path}: empty; expected a first row with the names of the columns")
    columns = ["" if cell is None else str(cell).strip() for cell in header[1]]
    while columns and not columns[-1]:
        columns.pop()
    check_header(columns, str(path), header[0])
    return columns, _rows(rows, columns, path)


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
