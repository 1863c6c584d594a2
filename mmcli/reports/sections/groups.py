"""Metrics by the values of a column: where the model does worse than elsewhere."""

from __future__ import annotations

from mmcli.reports.charts import Bar, Ranking
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section

_DRAWN = 30


def build(report: ReportFolder) -> Content | None:
    """Return a table and a chart for each column of ``--by``."""
    found = report.metrics.get("groups")
    if not found or not found.get("columns"):
        return None
    metric, names = found["metric"], list(report.headline_of())
    small = report.smaller_is_better(metric)
    shown, charts, told = [], [], []
    for column, own in found["columns"].items():
        rows = [{"name": value or "(empty)", **each} for value, each in own["values"].items()]
        rows.sort(key=lambda row: row["metrics"].get(metric, 0.0) * (-1 if small else 1))
        bars = [
            Bar(f"{row['name']} ({row['rows']})", row["metrics"][metric], *row.get("interval", (None, None)))
            for row in rows[:_DRAWN]
            if metric in row["metrics"]
        ]
        if bars:
            said = ", ".join(f"{bar.name}: {number_text(bar.value)}" for bar in bars)
            charts.append(
                Ranking(f"by_{column}", f"{metric} by {column}, rows in brackets", said, metric, bars,
                        report.metrics["metrics"].get(metric), "all rows")
            )  # fmt: skip
        shown.append({"column": column, "rows": rows, **{key: own.get(key) for key in ("gap", "best", "worst")}})
        cells = [
            [row["name"], number_text(row["rows"]), *(number_text(row["metrics"].get(name)) for name in names)]
            for row in rows
        ]
        told.append(table([column, "rows", *names], cells))
    return Content({"shown": shown, "metric": metric, "names": names}, charts, "\n\n".join(told))


SECTION = Section("groups", "Groups", build)
