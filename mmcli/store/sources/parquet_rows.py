"""Tables in Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.delimited import check_header

_BATCH = 4096


def read_parquet(path: Path) -> tuple[int, list[str], Iterator[tuple[str, Row]]]:
    """Return how many rows a file says it has, its columns, and the rows; values become those that JSON has.

    Raises:
        MmcliError: It is not a whole Parquet file, or two columns have one name; rows raise it where they are.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
    except PermissionError as error:
        raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: names that are not UTF-8
        raise _damaged(path, error) from None
    check_header(names, str(path))
    return file.metadata.num_rows, names, _rows(file, path)


def _rows(file: Any, path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow

    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                where = f"{path}, row {number}"
                yield where, {name: _plain(value, where, name) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError, OverflowError, ValueError) as error:  # ValueError: no UTF-8, no date
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> MmcliError:
    return MmcliError(f"{path}: not a whole Parquet file ({(str(error).splitlines() or [type(error).__name__])[0]})")


def _plain(value: Any, where: str, column: str) -> Any:
    """Turn a Parquet value into one that JSON has."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)
    if isinstance(value, list | tuple):
        return [_plain(item, where, column) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item, where, column) for key, item in value.items()}
    if type(value).__name__ == "float16":
        return float(value)
    raise MmcliError(f"{where}: column {column!r} holds {type(value).__name__}, which has no text form; leave it out")
