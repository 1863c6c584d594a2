"""How the training went: loss and val metrics by epoch, and cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcli.evaluation.headline import headline
from mmcli.reports.charts import Plot, Series
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section


def build(report: ReportFolder) -> Content | None:
    """Return the curves of training, and the metrics of the folds."""
    history, folds = report.read("history"), report.read("folds")
    epochs = history["epochs"] if history else []
    if not epochs and not folds:
        return None
    charts = _charts(epochs, report) if epochs else []
    names = list(headline(report.origin.get("headline", ()), folds["metrics"])) if folds else []
    rows = [{"name": name, **folds["metrics"][name]} for name in names or (folds or {"metrics": {}})["metrics"]]
    cells = [[row["name"], number_text(row["mean"]), number_text(row["std"])] for row in rows]
    best = history["best"] if epochs else None
    return Content(
        {"epochs": len(epochs), "best": best, "folds": folds, "rows": rows}, charts,
        f"{folds['folds']}-fold cross-validation\n\n" + table(["metric", "mean", "std"], cells) if folds else "",
    )  # fmt: skip


def _charts(epochs: list[Mapping[str, Any]], report: ReportFolder) -> list[Plot]:
    train = [(epoch["number"], epoch["loss"]) for epoch in epochs]
    val = [(epoch["number"], epoch["values"]["loss"]) for epoch in epochs if "loss" in epoch["values"]]
    series = [Series(train, "train"), *([Series(val, "val", colour=1)] if val else [])]
    best = next((epoch["number"] for epoch in reversed(epochs) if epoch["improved"]), None)
    told = f"Train loss from {number_text(train[0][1])} to {number_text(train[-1][1])} in {len(epochs)} epochs"
    charts = [Plot("training_loss", "Loss by epoch", f"{told}; best epoch {best}.", "epoch", "loss", series)]
    shown = [name for name in headline(report.origin.get("headline", ()), epochs[0]["values"]) if name != "loss"]
    unit = [name for name in shown if all(0 <= epoch["values"].get(name, 2) <= 1 for epoch in epochs)]
    for group, end in ((unit, "metrics"), *(([name], name) for name in shown if name not in unit)):
        if not group:
            continue
        lines = [
            Series(
                [(epoch["number"], epoch["values"][name]) for epoch in epochs if name in epoch["values"]],
                name,
                colour=place,
            )
            for place, name in enumerate(group)
        ]
        told = ", ".join(f"{line.name} {number_text(line.points[-1][1])} at the end" for line in lines)
        charts.append(Plot(f"training_{end}", f"val {', '.join(group)} by epoch", told, "epoch", "val", lines))
    return charts


SECTION = Section("training", "Training", build)
