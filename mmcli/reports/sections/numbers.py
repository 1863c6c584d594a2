"""Predicted against true numbers, and residuals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from mmcli.reports.charts import Plot, Series
from mmcli.reports.charts.axes import number_text, range_of
from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section


def build(report: ReportFolder) -> Content | None:
    """Return a scatter plot, residuals against predictions and their histogram, of each target."""
    found = report.read("numbers")
    if not found:
        return None
    charts = [chart for target, own in found.items() for chart in _charts(own, target)]
    shown = [{"target": target, "of": own["of"], "points": len(own["rows"])} for target, own in found.items()]
    return Content({"shown": shown}, charts)


def _charts(own: Mapping[str, Any], target: str) -> list[Plot]:
    end, of = (f"_{target}", f" of {target}") if target else ("", "")
    true, predicted, rows = own["true"], own["predicted"], own["rows"]
    ends = range_of([*true, *predicted])
    edges, counts = own["residuals"]["edges"], own["residuals"]["counts"]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    residuals = [(said, said - real) for said, real in zip(predicted, true, strict=True)]
    over = sum(residual > 0 for _, residual in residuals)
    return [
        Plot(
            f"scatter{end}", f"Predicted against true{of}",
            f"{len(rows)} points; the diagonal is a perfect prediction; {over} are predicted too high.",
            "true", "predicted", [Series(list(zip(true, predicted, strict=True)), "", "dots", rows=rows)], ends, ends,
            diagonal=True, square=True,
        ),
        Plot(
            f"residuals{end}", f"Residuals (predicted minus true){of}",
            f"Residuals from {number_text(edges[0])} to {number_text(edges[-1])}.",
            "predicted", "residual",
            [Series(residuals, "", "dots", rows=rows),
             Series([(ends[0], 0.0), (ends[1], 0.0)], "", dashed=True, colour=9)],
            ends,
        ),
        Plot(
            f"residual_histogram{end}", f"How often each residual occurs{of}",
            f"Histogram of {own['of']} residuals from {number_text(edges[0])} to {number_text(edges[-1])}.",
            "residual (predicted minus true)", "rows",
            [Series(list(zip(middles, counts, strict=True)), "", "bars", width=edges[1] - edges[0])],
            (edges[0], edges[-1]),
        ),
    ]  # fmt: skip


SECTION = Section("numbers", "Predicted and true numbers", build)
