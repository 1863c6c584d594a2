"""Tables in Parquet and Arrow files, with media inside, as pyarrow and Hugging Face's datasets write them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.arrow_files import ArrowFile
from mmcli.store.sources.arrow_values import holds_media, is_media, plain_values
from mmcli.store.sources.delimited import check_header
from mmcli.store.sources.members import cell_name, sniffed_suffix
from mmcli.store.sources.table_cells import BUFFER, bytes_of, rows_at_once

_BATCH = 1024
_START = 32  # bytes that tell of what kind a cell is


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
    if any(holds_media(schema.field(name).type) for name in names):
        batches = _batches_of_media(path)
    else:
        batches = file.iter_batches(batch_size=_BATCH)
    return file.metadata.num_rows, names, _rows(batches, path, root, _media(schema), "Parquet")


def _batches_of_media(path: Path) -> Iterator[Any]:
    """Read a file a little at a time; where it ends early between two pages, pyarrow ends too and says nothing."""
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    size = rows_at_once(file.metadata)
    for group in range(file.metadata.num_row_groups):
        left = file.metadata.row_group(group).num_rows
        for batch in file.iter_batches(size, row_groups=[group]):
            batch.validate()
            left -= batch.num_rows
            yield batch
        if left:
            raise ValueError(f"cut off: {left} rows of a row group are not there")


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
            file = ArrowFile(path)
            own = file.schema.names
        except PermissionError as error:
            raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None
        except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: names that are not UTF-8
            raise _damaged(path, error, "Arrow") from None
        if names is not None and own != names:
            raise MmcliError(f"{path}: its columns are not those of {paths[0]}")
        names = own
        check_header(names, str(path))
        rows.append(_rows(_sliced(file.batches()), path, root, _media(file.schema), "Arrow"))
    return names or [], (row for each in rows for row in each)


def _media(schema: Any) -> set[str]:
    return {field.name for field in schema if is_media(field.type)}


def _sliced(batches: Iterator[Any]) -> Iterator[Any]:
    for batch in batches:
        for place in range(0, batch.num_rows, _BATCH):
            yield batch.slice(place, _BATCH)


def _rows(batches: Iterator[Any], path: Path, root: str, media: set[str], form: str) -> Iterator[tuple[str, Row]]:
    import pyarrow

    number = 0
    name = os.path.relpath(path, root or ".")
    try:
        for batch in batches:
            columns = {
                column: _named(batch.column(column), name, column, number)
                if column in media
                else plain_values(batch.column(column))
                for column in batch.schema.names
            }
            for place in range(batch.num_rows):
                number += 1
                yield f"{path}, row {number}", {column: values[place] for column, values in columns.items()}
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: no UTF-8
        raise _damaged(path, error, form) from None


def _named(values: Any, file: str, column: str, first: int) -> list[str | None]:
    """Return the names of what a column's cells hold: of bytes, or of the file that a path beside them says."""
    return [
        _path(scalar)
        if (content := bytes_of(scalar)) is None
        else cell_name(file, column, first + place, sniffed_suffix(bytes(content[:_START])))
        for place, scalar in enumerate(values)
    ]


def _path(scalar: Any) -> str | None:
    """Return the path in a cell that holds no bytes, if there is one."""
    import pyarrow

    if not scalar.is_valid or not isinstance(scalar, pyarrow.StructScalar) or "path" not in scalar:
        return None
    path = scalar["path"].as_py()
    return None if path is None else str(path)


def _damaged(path: Path, error: Exception, form: str) -> MmcliError:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return MmcliError(f"{path}: not a whole {form} file ({line})")
