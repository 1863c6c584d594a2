"""Arrays beside a table: one row of them for each of its rows, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.modalities import BesideTable

NONE = "none"


def parse_arrays(texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=FILE`` each.

    Raises:
        UsageError: A text does not follow the grammar, or a name stands twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not name or not path or name in found:
            raise UsageError(f"--tensor {text}: expected NAME=FILE, each name once")
        found[name] = path
    return found


def check_rows(arrays: Mapping[str, BesideTable], table: str, rows: int, limited: bool = False) -> None:
    """Refuse arrays that have not as many rows as the table; of a table cut short, fewer.

    Raises:
        MmcliError: There is one; both numbers are named.
    """
    for name, part in arrays.items():
        found = part.array_rows()
        if found < rows or (found > rows and not limited):
            raise MmcliError(
                f"--tensor {name}={part.array}: has {found} rows, and {table} has {rows}; expected a row of it for "
                "each row of the table, in the table's order"
            )


def _count(part: BesideTable) -> str:
    try:
        return f" ({part.array_rows()} rows)"
    except MmcliError:  # it is no longer there, and need not be
        return ""


def give_arrays(
    arrays: Mapping[str, BesideTable], given: Mapping[str, str], table: str, rows: int, limited: bool = False
) -> list[str]:
    """Let modalities of a model that are read from an array take those of new rows; return those to go without.

    Args:
        arrays: By modality; what the model was trained on is never taken for other rows.
        given: The file of each, or ``none``.
        table: What messages call the new rows.
        rows: How many there are.
        limited: Whether these are but the first of the table.

    Raises:
        MmcliError: One was not given, or has not as many rows; or a name is none of them.
    """
    for name in given:
        if name not in arrays:
            raise unknown_name("modality read from an array", name, arrays)
    without = []
    for name, part in arrays.items():
        if name not in given:
            raise MmcliError(
                f"{name}: the model read it from an array beside its train table, {part.array}{_count(part)}, and "
                f"{table} has {rows} rows of its own; name their array: --tensor {name}=FILE, or --tensor "
                f"{name}={NONE} to go without"
            )
        if given[name] == NONE:
            without.append(name)
        else:
            part.take_array(given[name])
    check_rows({name: part for name, part in arrays.items() if name not in without}, table, rows, limited)
    return without
