"""What a model says of one row, as it is written."""

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
    """Return one answer: what the task says of the row, the modalities used, and why others were not.

    Of the source modalities those to ``keep`` were looked at; () is all.
    """
    return {
        "id": identity,
        **record,
        "modalities": [name for name in sources if name not in problems and (not keep or name in keep)],
        "status": {name: problems[name].status if name in problems else "ok" for name in sources},
        "reasons": {name: describe(entry) for name, entry in problems.items()},
    }
