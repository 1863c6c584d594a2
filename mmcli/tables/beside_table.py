"""Arrays that accompany a table, with one row for each table row, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.modalities import BesideTable

NONE = "none"


def parse_arrays(texts: Sequence[str]) -> dict[str, str]:
    """Parse values of the form ``NAME=FILE``.

    Raises:
        UsageError: A value has another form, or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not name or not path or name in found:
            raise UsageError(f"--tensor {text}: expected NAME=FILE with a different name each time")
        found[name] = path
    return found


def check_rows(arrays: Mapping[str, BesideTable], table: str, rows: int, limited: bool = False) -> None:
    """Refuse arrays whose number of rows is not the table's, or is smaller if the table is ``limited``.

    Raises:
        MmcliError: An array has a wrong number of rows; the message gives both numbers.
    """
    for name, part in arrays.items():
        found = part.array_rows()
        if found < rows or (found > rows and not limited):
            raise MmcliError(
                f"--tensor {name}={part.array}: has {found} rows, but {table} has {rows}; expected one array row per "
                "table row, in the table's order"
            )


def _count(part: BesideTable) -> str:
    try:
        return f" ({part.array_rows()} rows)"
    except MmcliError:  # the train table's array may be gone
        return ""


def give_arrays(
    arrays: Mapping[str, BesideTable], given: Mapping[str, str], table: str, rows: int, limited: bool = False
) -> list[str]:
    """Give a model's array modalities the arrays of new rows; return the modalities to do without.

    Args:
        arrays: The array modalities by name; the arrays that the model was trained on are never reused.
        given: The file for each modality, or ``none``.
        table: The name of the new rows in messages.
        rows: Number of new rows.
        limited: Whether these are only the first rows of the table.

    Raises:
        MmcliError: A modality has no file, a file has a wrong number of rows, or a name is unknown.
    """
    for name in given:
        if name not in arrays:
            raise unknown_name("modality read from an array", name, arrays)
    without = []
    for name, part in arrays.items():
        if name not in given:
            raise MmcliError(
                f"{name}: in training it came from the array {part.array}{_count(part)}, and {table} has {rows} rows "
                f"of its own; give their array: --tensor {name}=FILE, or --tensor {name}={NONE} to do without it"
            )
        if given[name] == NONE:
            without.append(name)
        else:
            part.take_array(given[name])
    check_rows({name: part for name, part in arrays.items() if name not in without}, table, rows, limited)
    return without
