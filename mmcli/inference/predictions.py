"""The record of a model's prediction for one row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mmcli.store.columns import LedgerEntry, Row
from mmcli.tables.bad_inputs import describe


def prediction(
    identity: str,
    record: Mapping[str, Any],
    problems: Mapping[str, LedgerEntry],
    sources: list[str],
    keep: Collection[str] = (),
) -> Row:
    """Return one prediction: the task's record, the modalities used, and why others were not used.

    ``keep`` are the source modalities that were to be used; () means all.
    """
    return {
        "id": identity,
        **record,
        "modalities": [name for name in sources if name not in problems and (not keep or name in keep)],
        "status": {name: problems[name].status if name in problems else "ok" for name in sources},
        "reasons": {name: describe(entry) for name, entry in problems.items()},
    }
