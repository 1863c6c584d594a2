"""Tables in Parquet and Arrow files, with media inside, as pyarrow and Hugging Face's datasets write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.delimited import check_header
from mmcli.store.sources.members import arrow_batches, cell_name, sniffed_suffix

_BATCH = 1024
_MEDIA_BATCH = 16


def read_parquet(path: Path, root: str) -> tuple[int, list[str], Iterator[tuple[str, Row]]]:
    """Return how many rows a file says it has, its columns, and the rows; values become those that JSON has.

    A cell of bytes, or of bytes with a path, becomes the name under which ``store.sources.members`` reads it.

    Args:
        path: The file.
        root: The folder that names of media are relative to.

    Raises:
        MmcliError: It is not a whole Parquet file, or two columns have one name; rows raise it where they are.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        schema = file.schema_arrow
        names = schema.names
    except PermissionError as error:
        raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: names that are not UTF-8
        raise _damaged(path, error, "Parquet") from None
    check_header(names, str(path))
    media = {name for name in names if _holds_bytes(schema.field(name).type)}
    size = _MEDIA_BATCH if media else _BATCH
    return file.metadata.num_rows, names, _rows(file.iter_batches(batch_size=size), path, root, media, "Parquet")


def read_arrow(paths: Sequence[Path], root: str) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """Return the columns and rows of Arrow files (Feather, IPC), one after the other; see ``read_parquet``.

    Raises:
        MmcliError: One is not a whole Arrow file, or has other columns than the first.
    """
    import pyarrow

    names: list[str] | None = None
    rows: list[Iterator[tuple[str, Row]]] = []
    for path in paths:
        try:
            batches = arrow_batches(path)
            first = next(batches, None)
            own = [] if first is None else first.schema.names
        except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: names that are not UTF-8
            raise _damaged(path, error, "Arrow") from None
        if first is None:
            continue
        if names is not None and own != names:
            raise MmcliError(f"{path}: its columns are not those of {paths[0]}")
        names = own
        check_header(names, str(path))
        media = {name for name in names if _holds_bytes(first.schema.field(name).type)}
        rows.append(_rows(_sliced(first, batches, media), path, root, media, "Arrow"))
    return names or [], (row for each in rows for row in each)


def _sliced(first: Any, batches: Iterator[Any], media: set[str]) -> Iterator[Any]:
    size = _MEDIA_BATCH if media else _BATCH
    while first is not None:
        for start in range(0, first.num_rows, size):
            yield first.slice(start, size)
        first = next(batches, None)


def _holds_bytes(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or _is_view(kind))


def _is_view(kind: Any) -> bool:
    import pyarrow

    is_view = getattr(pyarrow.types, "is_binary_view", None)
    return bool(is_view is not None and is_view(kind))


def _rows(batches: Iterator[Any], path: Path, root: str, media: set[str], form: str) -> Iterator[tuple[str, Row]]:
    import os

    import pyarrow

    number = 0
    name = os.path.relpath(path, root or ".")
    suffixes: dict[str, str] = {}
    try:
        for batch in batches:
            columns = {
                column: _named(batch.column(column), name, column, number, suffixes)
                if column in media
                else batch.column(column).to_pylist()
                for column in batch.schema.names
            }
            for place in range(batch.num_rows):
                number += 1
                yield f"{path}, row {number}", {column: _plain(values[place]) for column, values in columns.items()}
    except (pyarrow.ArrowException, OSError, OverflowError, ValueError) as error:  # ValueError: no UTF-8, no date
        raise _damaged(path, error, form) from None


def _named(values: Any, file: str, column: str, first: int, suffixes: dict[str, str]) -> list[str | None]:
    """Return the names of what a column's cells hold: of bytes, or of the file that a path beside them says."""
    found: list[str | None] = []
    for place, scalar in enumerate(values):
        value = scalar.as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if content is None:
            found.append(value.get("path") if isinstance(value, dict) else None)
            continue
        if column not in suffixes:
            suffixes[column] = sniffed_suffix(content[:32])
        found.append(cell_name(file, column, first + place, suffixes[column]))
    return found


def _damaged(path: Path, error: Exception, form: str) -> MmcliError:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return MmcliError(f"{path}: not a whole {form} file ({line})")


def _plain(value: Any) -> Any:
    """Turn a value into one that JSON has; one that has no such form becomes its text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return float(value) if type(value).__name__ == "float16" else str(value)
