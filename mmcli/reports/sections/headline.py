"""The main result in one sentence, and the main metrics beside baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcli.reports.charts import Bar, Ranking
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import table
from mmcli.reports.section import Content, Section
from mmcli.reports.words import BASELINES, metric_words


def build(report: ReportFolder) -> Content | None:
    """Return a sentence for each target, the metrics with intervals and baselines, and a chart of the main one."""
    found = report.metrics
    if not found.get("metrics"):
        return None
    sentences = [told for target in report.targets if (told := _sentence(report, target)) is not None]
    main = list(report.headline_of())
    rows = [_row(report, name) for name in (*main, *(name for name in found["metrics"] if name not in main))]
    names = list(found["baselines"])
    shown = [row for row in rows if row["name"] in main]
    cells = [[row["name"], number_text(row["value"]), _span(row), *map(number_text, row["baselines"])] for row in shown]
    return Content(
        {"sentences": sentences, "rows": shown, "more": rows[len(shown) :], "baselines": names, "found": found,
         "explained": {name: BASELINES.get(name, "") for name in names}},
        [chart for target in report.targets if (chart := _chart(report, target)) is not None],
        "\n\n".join(each["text"] for each in sentences)
        + "\n\n" + table(["metric", "value", "95 % interval", *names], cells),
    )  # fmt: skip


def _row(report: ReportFolder, name: str) -> dict[str, Any]:
    found = report.metrics
    low, high = found["intervals"].get(name, (None, None))
    return {
        "name": name, "value": found["metrics"][name], "low": low, "high": high, "words": metric_words(name),
        "baselines": [each.get(name) for each in found["baselines"].values()],
    }  # fmt: skip


def _span(row: Mapping[str, Any]) -> str:
    return "" if row["low"] is None else f"{number_text(row['low'])} … {number_text(row['high'])}"


def _best_baseline(report: ReportFolder, metric: str) -> tuple[str, float] | None:
    """Return the baseline that does best in a metric."""
    values = {name: own[metric] for name, own in report.metrics["baselines"].items() if metric in own}
    if not values:
        return None
    choose = min if report.smaller_is_better(metric) else max
    name = choose(values, key=lambda each: values[each])
    return name, values[name]


def _sentence(report: ReportFolder, target: str) -> dict[str, Any] | None:
    """Return what the main metric says: its value, how sure that is, and whether it beats the best baseline."""
    found, metric = report.metrics, report.main_metric(target)
    if metric is None:
        return None
    row = _row(report, metric)
    count = found.get("n_by_target", {}).get(target, found["n"])
    where = "rows" if found["split"] == "all" else f"rows of the {found['split']} split"
    told = f"The model's {metric} is {number_text(row['value'])}"
    if row["low"] is not None:
        told += f" (95 % interval {number_text(row['low'])} to {number_text(row['high'])})"
    told += f" on {count:,} {where}."
    verdict, best = "", _best_baseline(report, metric)
    if best is not None:
        name, value = best
        told += f" {_sentence_start(BASELINES.get(name, name))} gives {number_text(value)}: "
        verdict = _verdict(row, value, small=report.smaller_is_better(metric))
        told += {
            "better": "the model is better, and so is its whole interval.",
            "maybe": "the model looks better, but its interval includes that, so these rows do not settle it.",
            "ahead": "the model is better.",
            "worse": "the model is no better than that.",
        }[verdict]
    return {"text": told, "metric": metric, **row, "verdict": verdict, "target": target}


def _sentence_start(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verdict(row: Mapping[str, Any], baseline: float, *, small: bool) -> str:
    gain = (baseline - row["value"]) if small else (row["value"] - baseline)
    if gain <= 0:
        return "worse"
    if row["low"] is None:
        return "ahead"
    return "better" if (row["high"] < baseline if small else row["low"] > baseline) else "maybe"


def _chart(report: ReportFolder, target: str) -> Ranking | None:
    metric = report.main_metric(target)
    if metric is None:
        return None
    row = _row(report, metric)
    bars = [Bar("model", row["value"], row["low"], row["high"])]
    others = zip(report.metrics["baselines"], row["baselines"], strict=True)
    bars += [Bar(name, value, colour=9) for name, value in others if value is not None]
    told = ", ".join(f"{bar.name} {number_text(bar.value)}" for bar in bars)
    return Ranking(f"main_{metric}", f"{metric}, with its 95 % interval, and baselines", told, metric, bars)


SECTION = Section("headline", "Result", build)
