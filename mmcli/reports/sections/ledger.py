"""What was missing or corrupt in the measured rows, and why."""

from __future__ import annotations

from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section

_REASONS = 20


def build(report: ReportFolder) -> Content | None:
    """Return the number of rows by modality and status, with the reasons."""
    found = report.read("ledger")
    if not found:
        return None
    reasons = [{"modality": name, **each} for name, own in found.items() for each in own["reasons"]]
    reasons.sort(key=lambda each: -each["rows"])
    metrics = report.metrics
    counted = [
        (count, told)
        for key, told in (
            ("without_target", "rows have no target and are not measured"),
            ("unknown_targets", "rows have a class that the model was not trained on and count as wrong"),
            ("without_modalities", "rows have none of the modalities"),
        )
        if (count := metrics.get(key, 0))
    ]
    return Content(
        {"modalities": found, "reasons": reasons[:_REASONS], "more": len(reasons[_REASONS:]), "counted": counted}
    )


SECTION = Section("ledger", "Ledger: what was there, and what was not", build)
