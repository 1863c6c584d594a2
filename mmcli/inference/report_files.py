"""The files of an evaluation's report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcli.evaluation.examples import Example, write_examples
from mmcli.store.columns import Row
from mmcli.store.rows import dump_row

METRICS = "metrics"
_LONGEST_NAME = 60


def write_report(
    folder: Path,
    metrics: Mapping[str, Any],
    tables: Mapping[str, Any],
    predictions: Sequence[Row],
    examples: Sequence[Example],
) -> None:
    """Write ``metrics.json``, a file for each table, ``predictions.jsonl``, and a page of examples if there are any."""
    if examples:
        write_examples(folder, f"{metrics['task']}: examples of {metrics['split']}", examples)
    for name, value in {METRICS: metrics, **_by_file(tables)}.items():
        write_json(folder / f"{name}.json", value)
    with (folder / "predictions.jsonl").open("wb") as file:
        file.writelines(map(dump_row, predictions))


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _by_file(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables by distinct file names, in which other characters than letters and digits are replaced."""
    found: dict[str, Any] = {}
    for name, value in tables.items():
        plain = re.sub(r"[^\w.-]+", "_", name)[:_LONGEST_NAME]
        taken = sum(other == plain or other.startswith(f"{plain}-") for other in found)
        found[f"{plain}-{taken + 1}" if taken else plain] = value
    return found
