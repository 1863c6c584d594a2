"""ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcli.reports.charts import Plot, Series
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section

_UNIT = (0.0, 1.0)


def build(report: ReportFolder) -> Content | None:
    """Return both curves of each target, a line for each class."""
    found = report.read("curves")
    if not found:
        return None
    charts, shown = [], []
    for target, own in found.items():
        charts += [_roc(own["classes"], target), _precision(own["classes"], target)]
        shown.append({"target": target, "classes": own["classes"], "left_out": own["of"] - len(own["classes"])})
    return Content({"shown": shown}, charts)


def _named(kind: str, target: str) -> str:
    return f"{kind}_{target}" if target else kind


def _roc(classes: Sequence[Mapping[str, Any]], target: str) -> Plot:
    told = ", ".join(f"{each['name']} {number_text(each['roc_auc'])}" for each in classes)
    series = [Series(each["roc"], each["name"], colour=place) for place, each in enumerate(classes)]
    return Plot(
        _named("roc", target), "ROC curve" + (f" of {target}" if target else ""), f"Area under the curve: {told}.",
        "false positive rate", "true positive rate", series, _UNIT, _UNIT, diagonal=True, square=True,
    )  # fmt: skip


def _precision(classes: Sequence[Mapping[str, Any]], target: str) -> Plot:
    told = ", ".join(f"{each['name']} {number_text(each['average_precision'])}" for each in classes)
    series = [Series(each["pr"], each["name"], colour=place) for place, each in enumerate(classes)]
    return Plot(
        _named("precision_recall", target), "Precision and recall" + (f" of {target}" if target else ""),
        f"Average precision: {told}.", "recall", "precision", series, _UNIT, _UNIT, square=True,
    )  # fmt: skip


SECTION = Section("curves", "ROC and precision-recall curves", build)
