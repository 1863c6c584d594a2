"""Renders a report into its folder: ``report.html``, ``report.md`` and its charts in ``plots/``."""

from __future__ import annotations

import re

from mmcli.reports.charts.png import draw_png
from mmcli.reports.charts.svg import draw_file
from mmcli.reports.folder import ReportFolder
from mmcli.reports.page import charts_of, fill, markdown_of, page_of, title_of

PAGE, MARKDOWN, PLOTS = "report.html", "report.md", "plots"
_LONGEST_NAME = 60


def render(report: ReportFolder) -> None:
    """Write the page, the Markdown and the plots of a folder into it."""
    filled = fill(report)
    if not filled:
        return
    title = title_of(report)
    (report.path / PAGE).write_text(page_of(title, [(report, filled)]), encoding="utf-8")
    (report.path / MARKDOWN).write_text(markdown_of(title, filled), encoding="utf-8")
    taken: set[str] = set()
    for chart in charts_of(filled):
        plain = re.sub(r"[^A-Za-z0-9_.@-]+", "_", chart.name)[:_LONGEST_NAME]
        name = next(each for number in range(1000) if (each := f"{plain}-{number}" if number else plain) not in taken)
        taken.add(name)
        (report.path / PLOTS).mkdir(exist_ok=True)
        (report.path / PLOTS / f"{name}.svg").write_text(draw_file(chart), encoding="utf-8")
        (report.path / PLOTS / f"{name}.png").write_bytes(draw_png(chart))
