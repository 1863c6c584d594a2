"""How sure the model is: what abstaining gives, and how often sets hold the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcli.reports.charts import Plot, Series
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section

_UNIT = (0.0, 1.0)


def build(report: ReportFolder) -> Content | None:
    """Return the accuracy of the answers above thresholds, and the coverage of sets, of each target."""
    coverage = report.metrics.get("coverage") or {}
    if "asked" in coverage:
        coverage = {"": coverage}
    shown, charts, told = [], [], []
    for target in report.targets:
        selective, sets = report.table("selective", target), coverage.get(target)
        if not selective and not sets:
            continue
        if selective:
            charts.append(_chart(selective, target))
        shown.append({"target": target, "selective": selective, "sets": _sets(sets) if sets else None})
        if sets:
            low, high = sets["interval"]
            cells = [
                [number_text(sets["asked"]), number_text(sets["measured"]), f"{number_text(low)} … {number_text(high)}"]
            ]
            told.append(
                table([f"coverage asked{f' of {target}' if target else ''}", "measured", "95 % interval"], cells)
            )
    return Content({"shown": shown}, charts, "\n\n".join(told)) if shown else None


def _sets(sets: Mapping[str, Any]) -> dict[str, Any]:
    """Return a coverage with the mean size or width of its sets, and its classes from the least covered."""
    size = next((name for name in sets if name.startswith("mean_")), None)
    classes = sorted(sets.get("by_class", {}).items(), key=lambda each: (each[1]["coverage"], each[0]))
    found = {name: sets[name] for name in ("asked", "measured", "interval", "rows", "calibration_rows")}
    return {
        **found, "size": None if size is None else sets[size],
        "size_name": "" if size is None else size.removeprefix("mean_"), "classes": classes,
    }  # fmt: skip


def _chart(selective: Mapping[str, Any], target: str) -> Plot:
    levels: Sequence[Mapping[str, Any]] = [each for each in selective["thresholds"] if each["accuracy"] is not None]
    points = sorted((each["answered"], each["accuracy"]) for each in levels)
    told = "; ".join(
        f"above {number_text(each['threshold'])}: {number_text(each['answered'])} answered, accuracy "
        f"{number_text(each['accuracy'])}"
        for each in levels
    )
    return Plot(
        f"selective_{target}" if target else "selective",
        "Accuracy of the answers that are given" + (f" of {target}" if target else ""), told,
        "share of rows answered", "accuracy", [Series(points), Series(points, kind="dots")], _UNIT, _UNIT,
    )  # fmt: skip


SECTION = Section("uncertainty", "Uncertainty", build)
