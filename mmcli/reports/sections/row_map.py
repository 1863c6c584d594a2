"""A map of the rows: what the model finds alike lies close together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mmcli.reports.charts import OTHER, Plot, Series
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section

_ENDS = (-1.06, 1.06)
_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
_NUMBER_GROUPS = 5


def build(report: ReportFolder) -> Content | None:
    """Return the map of each method, coloured by the true class, or by fifths of a number."""
    found = report.read("map")
    if not found:
        return None
    named, colours = _groups(found["true"] if any(map(_there, found["true"])) else found["predicted"])
    charts = [_chart(name, points, found["rows"], named, colours) for name, points in found["methods"].items()]
    told = {key: found[key] for key in ("rows", "true", "predicted", "ids")}
    return Content(
        {"methods": [_NAMES.get(name, name) for name in found["methods"]], "points": told, "of": found["of"],
         "shown": len(found["rows"]), "target": found["target"]},
        charts,
    )  # fmt: skip


def _there(value: Any) -> bool:
    return value is not None


def _groups(values: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Return names of groups, and the colour of each point."""
    if any(isinstance(value, float) for value in values):
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        ends = np.unique(np.nanquantile(numbers, np.linspace(0, 1, _NUMBER_GROUPS + 1)))
        places = np.clip(np.searchsorted(ends, numbers, side="right") - 1, 0, max(len(ends) - 2, 0))
        spans = [f"{number_text(float(low))} to {number_text(float(high))}" for low, high in pairwise(ends)]
        return spans or [number_text(float(ends[0]))], places.tolist()
    told = ["none" if value is None else str(value) for value in values]
    common = [name for name, _ in sorted(Counter(told).items(), key=lambda each: (-each[1], each[0]))]
    names = sorted(common[:OTHER])
    place = {name: number for number, name in enumerate(names)}
    return [*names, *(["other"] if len(common) > OTHER else [])], [place.get(name, OTHER) for name in told]


def _chart(
    method: str,
    points: Mapping[str, Sequence[float]],
    rows: Sequence[int],
    names: Sequence[str],
    colours: Sequence[int],
) -> Plot:
    series = []
    for number, name in enumerate(names):
        colour = OTHER if name == "other" else number
        mine = [place for place, own in enumerate(colours) if own == colour]
        series.append(
            Series(
                [(points["x"][place], points["y"][place]) for place in mine], name, "dots", colour,
                rows=[rows[place] for place in mine],
            )
        )  # fmt: skip
    title = f"Map of the rows by {_NAMES.get(method, method)}"
    return Plot(
        f"map_{method}", title, f"{len(rows)} rows by what the model sees of them, coloured by {', '.join(names)}.",
        "", "", series, _ENDS, _ENDS, square=True, bare=True,
    )  # fmt: skip


SECTION = Section("row_map", "Map of the rows", build)
