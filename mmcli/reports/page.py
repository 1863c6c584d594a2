"""Renders folders of reports as one page, which needs no other file and asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcli.reports.charts import Chart
from mmcli.reports.charts.axes import number_text
from mmcli.reports.charts.svg import chart_style, draw, shade_of
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import plain
from mmcli.reports.section import Content, Section
from mmcli.reports.sections.side_by_side import side_by_side
from mmcli.reports.sections.table import SECTIONS

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent
Filled = Sequence[tuple[Section, Content]]


def fill(report: ReportFolder) -> Filled:
    """Return the sections that a folder has something for, with what they show."""
    return [(section, content) for section in SECTIONS if (content := section.build(report)) is not None]


def charts_of(filled: Filled) -> list[Chart]:
    """Return all charts of a page."""
    return [chart for _, content in filled for chart in content.charts]


def page_of(title: str, reports: Sequence[tuple[ReportFolder, Filled]]) -> str:
    """Return the page of one or several folders, the latter side by side first.

    Args:
        title: The title.
        reports: The folders with their sections.
    """
    environment = _environment()
    style = chart_style() + (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    beside = side_by_side([report for report, _ in reports]) if len(reports) > 1 else None
    bodies = [
        {
            "report": report,
            "sections": [(section, _section(environment, report, section, content)) for section, content in filled],
        }
        for report, filled in reports
    ]
    return environment.get_template("page.html").render(
        title=title, bodies=bodies, style=_safe(style), script=_safe(script), policy=_policy(style, script),
        beside=None if beside is None else _section(environment, reports[0][0], *beside),
    )  # fmt: skip


def markdown_of(title: str, filled: Filled) -> str:
    """Return the sections that have Markdown."""
    told = [f"# {plain(title)}"]
    for section, content in filled:
        if content.markdown:
            told.append(f"## {section.title}\n\n{content.markdown}")
    return "\n\n".join(told) + "\n"


def title_of(report: ReportFolder) -> str:
    """Return the title of a folder's page."""
    compared = report.read("comparison")
    if compared:
        return "Comparison of models" if "pairs" in compared else "Comparison of methods"
    task = report.metrics.get("task") or report.origin.get("task", "")
    targets = ", ".join(report.origin.get("targets", ()))
    if task == "several":
        return f"Several targets: {targets}"
    return f"{task.capitalize()}{f' of {targets}' if targets else ''}"


def _section(environment: Environment, report: ReportFolder, section: Section, content: Content) -> Any:
    template = environment.get_template(f"sections/{section.key}.html")
    return _safe(
        template.render(
            values=content.values, charts=content.charts, report=report, prefix=report.prefix,
            svg=lambda chart: _safe(draw(chart, report.prefix)), card=partial(_card, environment, report, {}),
            piece=partial(_piece, environment, report),
        )
    )  # fmt: skip


def _card(
    environment: Environment, report: ReportFolder, shown: dict[int, None], row: int, target: str
) -> Any:  # fmt: skip
    """Return the card of a sample; where it has been shown before in its section, a place to copy it to."""
    again = row in shown
    shown.setdefault(row)
    sample = report.samples[row]
    return _safe(
        environment.get_template("card.html").render(
            sample=sample, again=again, prefix=report.prefix, uri=report.data_uri, answers=_answers(sample, target)
        )
    )


def _piece(environment: Environment, report: ReportFolder, row: int, modality: str) -> Any:
    """Return one modality of a sample; its id alone where it is not on the page."""
    return _safe(
        environment.get_template("piece.html").render(
            sample=report.samples.get(row), row=row, modality=modality, uri=report.data_uri, prefix=report.prefix
        )
    )


def _answers(sample: Mapping[str, Any], target: str) -> list[dict[str, Any]]:
    """Return what is true and what was answered, for each target or one of them."""
    answer = sample["answer"]
    if "targets" not in answer:
        return [_answer("", answer, sample["target"])]
    own = sample["target"] if isinstance(sample["target"], dict) else {}
    return [
        _answer(name, each, own.get(name)) for name, each in answer["targets"].items() if not target or name == target
    ]


def _answer(name: str, answer: Mapping[str, Any], target: Any) -> dict[str, Any]:
    """Return one answer as texts: what is true, what was said, whether it is right, and how sure it is."""
    if "label" in answer:
        right = answer["label"] is not None and answer["label"] == str(target)
        said = "nothing: no modality is there" if answer["label"] is None else answer["label"]
        chances = [(label, chance, shade_of(chance)) for label, chance in answer.get("probabilities", {}).items()]
        return {
            "name": name,
            "true": [str(target)],
            "said": [said],
            "right": right,
            "chances": chances,
            "sure": answer["probability"],
        }
    if "labels" in answer:
        labels = answer["labels"]
        said = ["nothing: no modality is there"] if labels is None else labels or ["no label"]
        return {"name": name, "true": _texts(target), "said": said, "right": None, "chances": [], "sure": None}
    if "caption" in answer:
        said = [answer["caption"] if answer["caption"] is not None else "nothing: no modality is there"]
        return {"name": name, "true": _texts(target), "said": said, "right": None, "chances": [], "sure": None}
    if "value" in answer:
        said = [number_text(answer["value"])]
        if "low" in answer:
            said.append(f"interval {number_text(answer['low'])} … {number_text(answer['high'])}")
        true = [number_text(target) if isinstance(target, int | float) else str(target)]
        return {"name": name, "true": true, "said": said, "right": None, "chances": [], "sure": None}
    said = [f"{key} {_told(value)}" for key, value in answer.items()]
    return {"name": name, "true": _texts(target), "said": said, "right": None, "chances": [], "sure": None}


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(own)}" for key, own in value.items())
    return number_text(value) if isinstance(value, float) else str(value)


def _texts(target: Any) -> list[str]:
    if target is None:
        return []
    if isinstance(target, dict):
        return [f"{key}: {value}" for key, value in target.items()]
    return [str(each) for each in target] if isinstance(target, list) else [str(target)]


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: only this style and this script, and media from the page itself."""

    def told(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {told(style)}; script-src {told(script)}; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _data(value: Any) -> Any:
    """Return JSON that cannot end a script element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return _safe(text)


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {"number": number_text, "data": _data}
    return found
