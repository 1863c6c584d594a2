"""Precision, recall and F1 of each class or label."""

from __future__ import annotations

from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section

_FIRST, _MOST = 30, 300
_SCORES = ("precision", "recall", "f1")


def build(report: ReportFolder) -> Content | None:
    """Return the scores of each class, the lowest F1 first; of many classes those of the most frequent first."""
    found = report.metrics.get("classes")
    if not found:
        return None
    shown, told = [], []
    several = report.targets != [""]
    for target in report.targets:
        scores = found.get(target, {}) if several else found
        rows = sorted(({"name": name, **own} for name, own in scores.items()), key=lambda row: -row["rows"])
        if not rows:
            continue
        first, rest = (sorted(part, key=lambda row: row["f1"]) for part in (rows[:_FIRST], rows[_FIRST:_MOST]))
        shown.append({"target": target, "parts": [first, rest], "of": len(rows), "left_out": len(rows[_MOST:])})
        cells = [
            [row["name"], *(number_text(row[score]) for score in _SCORES), number_text(row["rows"])] for row in first
        ]
        more = f"\n\n{len(rows) - _FIRST} rarer ones are in metrics.json." if len(rows) > _FIRST else ""
        told.append(table([f"class of {target}" if target else "class", *_SCORES, "rows"], cells) + more)
    return Content({"shown": shown, "scores": _SCORES}, (), "\n\n".join(told)) if shown else None


SECTION = Section("classes", "Each class", build)
