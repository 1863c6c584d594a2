"""How much more train rows give."""

from __future__ import annotations

from mmcli.reports.charts import Plot, Series
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section


def build(report: ReportFolder) -> Content | None:
    """Return the main metric by the number of train rows, with its interval."""
    found = report.metrics.get("learning_curve")
    if not found:
        return None
    metric = found["metric"]
    points = [point for point in found["points"] if metric in point.get("metrics", {})]
    curve = [(float(point["rows"]), point["metrics"][metric]) for point in points]
    ends = [(point["rows"], *point["intervals"][metric]) for point in points if metric in point["intervals"]]
    bounds = [
        Series([(float(rows), (low, high)[side]) for rows, low, high in ends], name, dashed=True, colour=9)
        for side, name in ((0, "95 % interval"), (1, ""))
        if ends
    ]
    told = "; ".join(f"{rows:.0f} rows {number_text(value)}" for rows, value in curve)
    chart = Plot(
        "learning_curve", f"{metric} by the number of train rows", told, "train rows", metric,
        [*bounds, Series(curve, metric), Series(curve, kind="dots")],
    )  # fmt: skip
    cells = [[number_text(point["rows"]), number_text(point["metrics"][metric])] for point in points]
    return Content(
        {"points": found["points"], "metric": metric, "gain": found.get("gain")}, [chart] if points else [],
        table(["train rows", metric], cells),
    )  # fmt: skip


SECTION = Section("learning_curve", "Learning curve", build)
