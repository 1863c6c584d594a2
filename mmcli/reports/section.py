"""What a part of a page is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmcli.reports.charts import Chart
from mmcli.reports.folder import ReportFolder


@dataclass(frozen=True)
class Content:
    """What a section shows.

    Args:
        values: What its template reads.
        charts: Its charts, which also become files.
        markdown: The same in Markdown, for a pull request; "" shows nothing there.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    charts: Sequence[Chart] = ()
    markdown: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page; its template is ``sections/KEY.html``.

    Args:
        key: Its name.
        title: Its heading.
        build: Returns what it shows of a folder; None if that has nothing for it.
    """

    key: str
    title: str
    build: Callable[[ReportFolder], Content | None]
