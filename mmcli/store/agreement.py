"""Checks that sources joined by id agree on the samples they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.columns import Array, Row
from mmcli.store.labels import class_name, listed
from mmcli.store.samples import OWN_COLUMNS, Samples

_SHOWN = 60  # characters of a cell


def check_agreement(first: Samples, other: Samples, place_of: Array) -> None:
    """Refuse two sources that hold different values for the same sample and column.

    Empty cells are ignored, and the same value may be written differently. The input columns of a modality may differ,
    since each source has its own.

    Args:
        first: Defines the set of samples.
        other: The source joined to it.
        place_of: (N,), the row of each sample of ``first`` in ``other``, or -1 if it has none.

    Raises:
        MmcliError: Two values differ; the message names the column, the sample and both values.
    """
    columns = _compared(first, other)
    if not columns:
        return
    here, there = _hashes(first, columns), _hashes(other, columns)
    doubtful = np.flatnonzero((place_of >= 0) & (here != there[place_of]))
    found: dict[str, list[tuple[Row, Row]]] = {}
    for sample in doubtful.tolist():
        one, two = (source.rows.take([row])[0] for source, row in ((first, sample), (other, int(place_of[sample]))))
        for column in columns:
            if not _agree(one.get(column), two.get(column)):
                found.setdefault(column, []).append((one, two))
    if found:
        column, pairs = next(iter(found.items()))
        one, two = pairs[0]
        raise MmcliError(
            f"{first.name} and {other.name} contradict each other: column {column!r} of sample "
            f"{first.id_of(one)!r} is {str(one[column])[:_SHOWN]!r} in one and {str(two[column])[:_SHOWN]!r} in the "
            f"other ({len(pairs)} samples differ); preprocess both from tables that agree, or rename one of the columns"
        )


def _compared(first: Samples, other: Samples) -> list[str]:
    """Return the shared columns that must agree, targets first."""
    roles = [role for source in (first, other) for role in (*source.roles.targets, source.roles.group)]
    inputs = {
        column
        for source in (first, other)
        for record in source.chain
        if record.stage == "preprocess"
        for part in record.config.get("modalities", {}).values()
        for column in part["config"].get("columns", ())
    }
    own = {*OWN_COLUMNS, first.roles.id, other.roles.id, first.roles.split, other.roles.split}
    shared = [column for column in first.rows.rows(0, 1)[0] if column in other.rows.rows(0, 1)[0]]
    asked = [column for column in dict.fromkeys(roles) if column in shared]
    return [
        *asked,
        *(column for column in shared if column not in own and column not in inputs and column not in asked),
    ]


def _hashes(samples: Samples, columns: Sequence[str]) -> Array:
    """Return a hash of these columns for each sample, (N,)."""
    values = (tuple(_hashable(row.get(column)) for column in columns) for row in samples.rows)
    return np.fromiter(map(hash, values), np.int64, len(samples))


def _hashable(value: Any) -> Any:
    return str(value) if isinstance(value, list | dict) else value


def _agree(one: Any, two: Any) -> bool:
    if one == two or _is_empty(one) or _is_empty(two):
        return True
    lists = [value if isinstance(value, list) else listed(value) for value in (one, two)]
    if None not in lists:
        return lists[0] == lists[1]
    names = [class_name(value) for value in (one, two)]
    return names[0] == names[1] and names[0] is not None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
