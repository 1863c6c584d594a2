"""The gates of ``--fail-if``."""

from __future__ import annotations

from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section


def build(report: ReportFolder) -> Content | None:
    """Return what became of each gate."""
    gates = report.read("gates")
    if not gates:
        return None
    failed = sum(each["failed"] for each in gates)
    cells = [[each["gate"], number_text(each["value"]), "failed" if each["failed"] else "passed"] for each in gates]
    return Content({"gates": gates, "failed": failed}, (), table(["fails if", "value", "result"], cells))


SECTION = Section("gates", "Gates", build)
