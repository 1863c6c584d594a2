"""A comparison of fusion methods, ranked."""

from __future__ import annotations

from mmcli.reports.charts import Bar, Ranking
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section


def build(report: ReportFolder) -> Content | None:
    """Return the methods, best first, with their spread over seeds."""
    found = report.read("comparison")
    if not found or "methods" not in found:
        return None
    metric = found["metric"]
    methods = [method for method in found["methods"] if method["error"] is None]
    failed = [method for method in found["methods"] if method["error"] is not None]
    bars = [
        Bar(
            method["method"], method["mean"],
            None if method["std"] is None else method["mean"] - method["std"],
            None if method["std"] is None else method["mean"] + method["std"],
            1 if method["kind"] == "single" else 0,
            [run["metrics"][metric] for run in method["runs"]],
        )
        for method in methods
    ]  # fmt: skip
    told = ", ".join(f"{bar.name} {number_text(bar.value)}" for bar in bars)
    best = next((method["mean"] for method in methods if method["method"] == found["reference"]), None)
    chart = Ranking(
        "comparison", f"{metric} of each method, mean ± standard deviation over {len(found['seeds'])} seeds", told,
        metric, bars, best, "best single modality" if best is not None else "", zoomed=True,
    )  # fmt: skip
    cells = [
        [method["method"], method["kind"], number_text(method["mean"]), number_text(method["std"]),
         number_text(method["parameters"]), number_text(method["difference"]), number_text(method["p_value"])]
        for method in methods
    ]  # fmt: skip
    heads = ["method", "kind", metric, "± std", "parameters", "difference", "p"]
    baseline = [(name, own[metric]) for name, own in found["baselines"].items() if metric in own]
    return Content(
        {"found": found, "methods": methods, "failed": failed, "metric": metric, "baselines": baseline},
        [chart] if bars else [], table(heads, cells),
    )  # fmt: skip


SECTION = Section("comparison", "Comparison of methods", build)
