"""Several reports side by side: the same metrics of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcli.reports.charts import Bar, Ranking
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section


def side_by_side(reports: Sequence[ReportFolder]) -> tuple[Section, Content] | None:
    """Return the metrics of the first report beside those of the others, and a chart of the main one."""
    measured = [report for report in reports if report.metrics.get("metrics")]
    if len(measured) < 2:
        return None
    first = measured[0]
    main = list(first.headline_of())
    names = [*main, *(name for name in first.metrics["metrics"] if name not in main)]
    rows: list[dict[str, Any]] = []
    for name in names:
        values = [report.metrics["metrics"].get(name) for report in measured]
        there = [value for value in values if value is not None]
        best = (min if first.smaller_is_better(name) else max)(there) if there else None
        spans = [report.metrics["intervals"].get(name) for report in measured]
        cells = [
            {"value": value, "span": span, "best": value is not None and value == best and len(set(there)) > 1}
            for value, span in zip(values, spans, strict=True)
        ]
        rows.append({"name": name, "cells": cells})
    bars = [
        Bar(report.name, report.metrics["metrics"][main[0]], *report.metrics["intervals"].get(main[0], (None, None)))
        for report in measured
        if main and main[0] in report.metrics["metrics"]
    ]
    told = ", ".join(f"{bar.name} {number_text(bar.value)}" for bar in bars)
    charts = [Ranking("side_by_side", f"{main[0]} of each report", told, main[0], bars)] if bars else []
    same = len({(report.metrics["task"], report.metrics["split"], report.metrics["n"]) for report in measured}) == 1
    told_rows = [[row["name"], *(number_text(cell["value"]) for cell in row["cells"])] for row in rows[: len(main)]]
    content = Content(
        {"names": [report.name for report in measured], "rows": rows[: len(main)], "more": rows[len(main) :],
         "same": same},
        charts, table(["metric", *(report.name for report in measured)], told_rows),
    )  # fmt: skip
    return Section("side_by_side", "Side by side", lambda report: None), content
