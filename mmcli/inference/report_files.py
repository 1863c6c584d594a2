"""The files of an evaluation's report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmcli.store.rows import RowLines

METRICS = "metrics"
_LONGEST_NAME = 60


def write_report(folder: Path, metrics: Mapping[str, Any], tables: Mapping[str, Any], predictions: RowLines) -> None:
    """Write ``metrics.json``, a file for each table, and ``predictions.jsonl``."""
    names = file_names(tables)
    for name, value in {METRICS: metrics, **{names[name]: value for name, value in tables.items()}}.items():
        write_json(folder / f"{name}.json", value)
    with (folder / "predictions.jsonl").open("wb") as file:
        file.writelines(predictions.lines)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a distinct file name for each name, in which other characters than letters and digits are replaced."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^\w.-]+", "_", name)[:_LONGEST_NAME]
        taken = sum(other == plain or other.startswith(f"{plain}-") for other in found.values())
        found[name] = f"{plain}-{taken + 1}" if taken else plain
    return found
