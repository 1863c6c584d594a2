"""Whether probabilities can be taken at their word."""

from __future__ import annotations

from mmcli.reports.charts import Plot, Series
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section

_UNIT = (0.0, 1.0)


def build(report: ReportFolder) -> Content | None:
    """Return the reliability diagram of each target, and how many rows are in each bin."""
    charts, shown = [], []
    for target in report.targets:
        found = report.table("calibration", target)
        bins = found.get("bins") if isinstance(found, dict) else None
        if not bins:
            continue
        name = f"calibration_{target}" if target else "calibration"
        own = [((each["from"] + each["to"]) / 2, each["accuracy"], each["confidence"], each["rows"]) for each in bins]
        width = bins[0]["to"] - bins[0]["from"]
        told = "; ".join(f"confidence {number_text(said)}: accuracy {number_text(right)}" for _, right, said, _ in own)
        charts.append(
            Plot(
                name, "Reliability" + (f" of {target}" if target else ""), f"Bins by confidence. {told}.",
                "confidence (probability of the answer)", "accuracy",
                [Series([(middle, right) for middle, right, _, _ in own], "accuracy", "bars", 0, width=width),
                 Series([(said, right) for _, right, said, _ in own], "at the bin's mean confidence", "dots", 1)],
                _UNIT, _UNIT, diagonal=True, square=True,
            )
        )  # fmt: skip
        charts.append(
            Plot(
                f"{name}_rows", "Rows by confidence" + (f" of {target}" if target else ""),
                "; ".join(f"{number_text(middle)}: {rows} rows" for middle, _, _, rows in own),
                "confidence", "rows", [Series([(each[0], each[3]) for each in own], "", "bars", 0, width=width)],
                _UNIT,
            )
        )  # fmt: skip
        metrics = report.metrics["metrics"]
        before = f"{target}." if target else ""
        shown.append({"target": target, "ece": metrics.get(f"{before}ece"), "brier": metrics.get(f"{before}brier")})
    return Content({"shown": shown}, charts) if shown else None


SECTION = Section("calibration", "Calibration", build)
