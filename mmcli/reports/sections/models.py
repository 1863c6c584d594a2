"""Several models measured on the same rows, with their differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcli.evaluation.headline import headline
from mmcli.registry import TASKS
from mmcli.reports.charts import Bar, Ranking
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section

_SURE = 0.05


def build(report: ReportFolder) -> Content | None:
    """Return the main metrics of each model, the best marked, and the differences of every two."""
    found = report.read("comparison")
    if not found or "pairs" not in found:
        return None
    metric, models = found["metric"], found["models"]
    names = list(headline(TASKS.constant(found["task"], "headline", ()), next(iter(models.values())))) or [metric]
    bars = [Bar(name, own[metric], *found["intervals"][name].get(metric, (None, None))) for name, own in models.items()]
    told = ", ".join(f"{bar.name} {number_text(bar.value)}" for bar in bars)
    title = f"{metric} of each model, with 95 % intervals"
    pairs = [
        {"later": later, "earlier": earlier, **_pair(found["differences"][key], metric)}
        for key, (later, earlier) in found["pairs"].items()
    ]
    cells = [[name, *(number_text(own.get(each)) for each in names)] for name, own in models.items()]
    beside = [
        [
            f"{each['later']} minus {each['earlier']}",
            number_text(each["difference"]),
            _span(each),
            number_text(each["p"]),
        ]
        for each in pairs
    ]
    heads = ["value", "95 % interval", "p"]
    return Content(
        {"found": found, "names": names, "pairs": pairs, "metric": metric, "sure": _SURE},
        [Ranking("models", title, told, metric, bars)],
        "\n\n".join((table(["model", *names], cells), table([f"difference in {metric}", *heads], beside))),
    )  # fmt: skip


def _pair(difference: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """Return a difference in the main metric; its p-value is adjusted for the number of pairs."""
    low, high = difference["intervals"].get(metric, (None, None))
    return {
        "difference": difference[metric], "low": low, "high": high,
        "p": difference.get("p_holm", difference.get("p_value")), "mcnemar": difference.get("mcnemar"),
    }  # fmt: skip


def _span(pair: Mapping[str, Any]) -> str:
    return "" if pair["low"] is None else f"{number_text(pair['low'])} … {number_text(pair['high'])}"


SECTION = Section("models", "Models", build)
