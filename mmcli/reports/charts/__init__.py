"""Charts described once, and drawn as SVG for a page and as SVG and PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

LIGHT = ("#1b6ca8", "#c2510b", "#2c7a4b", "#8e3b9e", "#a8323e", "#6b6200", "#00707a", "#7a4a21", "#4a4fb5", "#5c5c5c")
DARK = ("#6db3ea", "#f0945a", "#6fc493", "#cf8fe0", "#f0848f", "#cdbf4a", "#5cc4cf", "#d1a077", "#9ea4f5", "#b8b8b8")
"""Colours of series by place, with contrast to white and to black; the last one is that of everything else."""
OTHER = len(LIGHT) - 1


def colour_of(place: int) -> int:
    """Return the number of the colour of a series; all from the tenth on share one."""
    return min(place, OTHER)


@dataclass(frozen=True)
class Series:
    """Points (x, y) drawn as a line, as dots, as steps or as bars from 0.

    Args:
        points: The points.
        name: What the legend calls it; "" leaves it out.
        kind: How it is drawn.
        colour: The number of its colour.
        dashed: Whether a line is dashed.
        rows: The number of the row behind each point, if there is one.
        width: The width of bars, in units of x.
    """

    points: Sequence[tuple[float, float]]
    name: str = ""
    kind: Literal["line", "dots", "bars"] = "line"
    colour: int = 0
    dashed: bool = False
    rows: Sequence[int] = ()
    width: float = 1.0


@dataclass(frozen=True)
class Plot:
    """Series over two axes.

    Args:
        name: The name of its files.
        title: One line.
        told: What it shows, for people who cannot see it.
        x: The label of the horizontal axis.
        y: The label of the vertical axis.
        series: The series, drawn in order.
        x_range: The ends of the axis; None takes those of the points.
        y_range: The same, vertically.
        diagonal: Whether to draw the line y = x.
        square: Whether both axes are of one length.
        bare: Whether to leave out the axes.
    """

    name: str
    title: str
    told: str
    x: str
    y: str
    series: Sequence[Series]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    diagonal: bool = False
    square: bool = False
    bare: bool = False


@dataclass(frozen=True)
class Bar:
    """A line of a ranking: a value, with an interval and single values if there are any."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: int = 0
    singles: Sequence[float] = ()


@dataclass(frozen=True)
class Ranking:
    """Named values one below the other, as bars from 0 or as dots with intervals.

    Args:
        name: The name of its files.
        title: One line.
        told: What it shows, for people who cannot see it.
        x: The label of the axis.
        bars: The values, from top to bottom.
        mark: A value to mark with a line, such as a baseline.
        mark_name: What that is.
        zoomed: Whether values are dots on an axis that need not begin at 0.
    """

    name: str
    title: str
    told: str
    x: str
    bars: Sequence[Bar]
    mark: float | None = None
    mark_name: str = ""
    zoomed: bool = False


@dataclass(frozen=True)
class Matrix:
    """Counts by row and column, shaded by their share of the row.

    Args:
        name: The name of its files.
        title: One line.
        told: What it shows, for people who cannot see it.
        x: What the columns are.
        y: What the rows are.
        names: The names of the rows.
        columns: The names of the columns.
        counts: The counts, row by row.
    """

    name: str
    title: str
    told: str
    x: str
    y: str
    names: Sequence[str]
    columns: Sequence[str]
    counts: Sequence[Sequence[int]]


Chart = Plot | Ranking | Matrix


def ends_of(ranking: Ranking) -> list[float]:
    """Return what the axis of a ranking must hold."""
    found = [value for bar in ranking.bars for value in (bar.value, bar.low, bar.high, *bar.singles)]
    found += [ranking.mark, None if ranking.zoomed else 0.0]
    return [value for value in found if value is not None]


@dataclass(frozen=True)
class Frame:
    """The ends of both axes of a plot and where their ticks are."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_ticks: Sequence[float] = field(default=())
    y_ticks: Sequence[float] = field(default=())
