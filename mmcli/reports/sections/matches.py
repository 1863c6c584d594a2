"""What some items find in another modality."""

from __future__ import annotations

from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section


def build(report: ReportFolder) -> Content | None:
    """Return a few queries of each direction with the nearest items."""
    found = report.read("matches")
    if not found:
        return None
    return Content({"directions": found["directions"]})


SECTION = Section("matches", "Retrieval examples", build)
