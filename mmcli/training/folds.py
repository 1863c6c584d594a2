"""Splits rows into folds, independent of their order; the rows of a group share a fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmcli.store.columns import Array
from mmcli.store.samples import Samples
from mmcli.store.splitting import fraction
from mmcli.tasks.targets import is_empty

FOLDS = 5


def units(samples: Samples, rows: Array) -> list[str]:
    """Return for each row the unit that may not be split: its group if it has one, else its id."""
    group = samples.roles.group
    found = []
    for row in samples.rows:
        value = None if group is None else row.get(group)
        found.append(f"id {samples.id_of(row)}" if is_empty(value) else f"group {value}")
    return [found[row] for row in rows.tolist()]


def draw_folds(of_row: list[str], seed: int, *, count: int = FOLDS, strata: Sequence[int] | None = None) -> Array:
    """Return the fold of each row, (N,), from 0; units are dealt out in turn, in the order of their hashes.

    There are ``count`` folds, or as many as units if there are fewer. With ``strata``, the class of each row, units are
    dealt out class by class, so that folds are stratified; the class of a group is that of most of its rows.
    """
    stratum: dict[str, int] = {}
    if strata is not None:
        counts: dict[str, Counter[int]] = {}
        for unit, own in zip(of_row, strata, strict=True):
            counts.setdefault(unit, Counter())[own] += 1
        stratum = {unit: min(own, key=lambda place: (-own[place], place)) for unit, own in counts.items()}
    order = sorted(set(of_row), key=lambda unit: (stratum.get(unit, 0), fraction(f"fold {unit}", seed), unit))
    fold = {unit: place % count for place, unit in enumerate(order)}
    return np.array([fold[unit] for unit in of_row], np.int64)
