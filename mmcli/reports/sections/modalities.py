"""What each modality gives: subsets of modalities, and Shapley values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcli.evaluation.shapley import told_shapley
from mmcli.reports.charts import Bar, Ranking
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section

_DRAWN = 24


def build(report: ReportFolder) -> Content | None:
    """Return the main metrics of each subset, the best first, and each modality's share."""
    found = report.metrics
    if not found.get("subsets"):
        return None
    whole = "+".join(found.get("modalities", ())) or "all modalities"
    names = list(report.headline_of())
    rows = [{"name": whole, "whole": True, "metrics": found["metrics"]}]
    rows += [{"name": name, "whole": False, "metrics": own} for name, own in found["subsets"].items()]
    charts = []
    if names:
        main, small = names[0], report.smaller_is_better(names[0])
        there = [row for row in rows if main in row["metrics"]]
        rows = sorted(there, key=lambda row: row["metrics"][main] * (1 if small else -1))
        bars = [Bar(row["name"], row["metrics"][main], colour=0 if row["whole"] else 9) for row in rows[:_DRAWN]]
        told = ", ".join(f"{bar.name} {number_text(bar.value)}" for bar in bars)
        charts.append(Ranking("subsets", f"{main} with only some modalities", told, main, bars))
    shapley = found.get("shapley")
    if shapley:
        charts.append(_shares(shapley))
    cells = [[row["name"], *(number_text(row["metrics"].get(name)) for name in names)] for row in rows]
    return Content(
        {"rows": rows, "names": names, "shapley": shapley, "told": told_shapley(shapley) if shapley else [],
         "order": sorted(shapley["values"], key=lambda name: -abs(shapley["values"][name])) if shapley else []},
        charts, table(["modalities", *names], cells),
    )  # fmt: skip


def _shares(shapley: Mapping[str, Any]) -> Ranking:
    order = sorted(shapley["values"], key=lambda name: -abs(shapley["values"][name]))
    bars = [Bar(name, shapley["values"][name]) for name in order]
    told = ", ".join(f"{bar.name} {number_text(bar.value)}" for bar in bars)
    title = f"Share of each modality in {shapley['metric']} (Shapley values)"
    return Ranking("shapley", title, told, f"share in {shapley['metric']}", bars)


SECTION = Section("modalities", "Modalities", build)
