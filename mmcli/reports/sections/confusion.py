"""Which classes are taken for which, with the samples behind each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcli.reports.charts import Matrix
from mmcli.reports.charts.svg import shade_of
from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section

_MOST = 25
_PAIRS = 40
_DRAWN = 60


def build(report: ReportFolder) -> Content | None:
    """Return a matrix for each target with classes; for many classes only the most frequent confusions."""
    shown, charts = [], []
    for target in report.targets:
        found = report.table("confusion", target)
        if not found:
            continue
        name = f"confusion_{target}" if target else "confusion"
        rows = _rows_by_cell(report, target)
        pairs = _pairs(found, rows)
        shown.append(
            {
                "target": target, "name": name, "classes": found["classes"],
                "wrong": sum(each["count"] for each in pairs),
                "pairs": pairs[:_PAIRS], "more": max(0, len(pairs) - _PAIRS),
                "lines": _lines(found, rows) if len(found["classes"]) <= _MOST else None,
            }
        )  # fmt: skip
        if len(found["classes"]) <= _DRAWN:
            charts.append(_chart(found, name, target, pairs))
    return Content({"shown": shown}, charts) if shown else None


def _rows_by_cell(report: ReportFolder, target: str) -> dict[tuple[str, str], list[int]]:
    """Return the shown samples of each cell."""
    found: dict[tuple[str, str], list[int]] = {}
    for row, sample in report.samples.items():
        answer = sample["answer"].get("targets", {}).get(target, {}) if target else sample["answer"]
        true = sample["target"].get(target) if target and isinstance(sample["target"], dict) else sample["target"]
        if answer.get("label") is not None and true is not None:
            found.setdefault((str(true), answer["label"]), []).append(row)
    return found


def _cell(count: int, true: str, predicted: str, rows: Sequence[int], shade: int) -> dict[str, Any]:
    return {"count": count, "true": true, "predicted": predicted, "rows": rows, "shade": shade}


def _pairs(found: Mapping[str, Any], rows: Mapping[tuple[str, str], list[int]]) -> list[dict[str, Any]]:
    """Return the confusions, the most frequent first."""
    classes = found["classes"]
    pairs = [
        _cell(count, true, predicted, rows.get((true, predicted), []), 0)
        for true, counts in zip(classes, found["counts"], strict=True)
        for predicted, count in zip(classes, counts, strict=True)
        if count and true != predicted
    ]
    return sorted(pairs, key=lambda each: -each["count"])


def _lines(found: Mapping[str, Any], rows: Mapping[tuple[str, str], list[int]]) -> list[dict[str, Any]]:
    classes = found["classes"]
    return [
        {
            "true": true,
            "total": sum(counts),
            "cells": [
                _cell(count, true, predicted, rows.get((true, predicted), []), shade_of(count / max(sum(counts), 1)))
                for predicted, count in zip(classes, counts, strict=True)
            ],
        }
        for true, counts in zip(classes, found["counts"], strict=True)
    ]


def _chart(found: Mapping[str, Any], name: str, target: str, pairs: Sequence[Mapping[str, Any]]) -> Matrix:
    of = f" of {target}" if target else ""
    worst = "; ".join(f"{each['true']} taken for {each['predicted']} {each['count']} times" for each in pairs[:3])
    return Matrix(
        name, f"Confusion matrix{of}", f"Counts by true and predicted class. {worst or 'No mistakes'}.",
        "predicted class", "true class", found["classes"], found["classes"], found["counts"],
    )  # fmt: skip


SECTION = Section("confusion", "Confusion matrix", build)
