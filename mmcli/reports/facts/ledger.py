"""What was missing or corrupt in the measured rows, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mmcli.store.columns import Row

_IDS = 5
STATUSES = ("ok", "missing", "corrupt", "skipped")


def ledger_of(answers: Sequence[Row], sources: Sequence[str]) -> dict[str, Any]:
    """Return for each modality the number of rows by status, and the rows of each reason with the first ids.

    Args:
        answers: The predictions, as in ``predictions.jsonl``.
        sources: The modalities.
    """
    found: dict[str, Any] = {}
    for name in sources:
        reasons: dict[tuple[str, str], list[str]] = {}
        counts = Counter(answer["status"][name] for answer in answers)
        for answer in answers:
            if name in answer["reasons"]:
                reasons.setdefault((answer["status"][name], answer["reasons"][name]), []).append(answer["id"])
        found[name] = {
            **{status: counts.get(status, 0) for status in STATUSES},
            "reasons": [
                {"status": status, "reason": reason, "rows": len(ids), "ids": ids[:_IDS]}
                for (status, reason), ids in sorted(reasons.items(), key=lambda each: (-len(each[1]), each[0]))
            ],
        }
    return found
