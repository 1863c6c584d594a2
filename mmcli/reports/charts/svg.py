"""Draws charts as SVG: with classes for a page's style, or with a style of their own as a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path

from mmcli.reports.charts import Chart, Matrix, Plot, Ranking, Series, colour_of, ends_of
from mmcli.reports.charts.axes import frame_of, number_text, range_of, tick_text, ticks_of

_WIDTH, _HEIGHT, _SIDE = 460, 300, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 14, 44
_LINE, _LETTER = 24, 7.2
_NAMED = 190
_CELL = 30
_SHADES = 9


def draw(chart: Chart, prefix: str = "") -> str:
    """Return a chart as an ``<svg>`` element with a title and a description.

    Args:
        chart: The chart.
        prefix: Begins the ids, so that several pages' charts can be on one.
    """
    if isinstance(chart, Plot):
        return _plot(chart, prefix)
    return _ranking(chart, prefix) if isinstance(chart, Ranking) else _matrix(chart, prefix)


def draw_file(chart: Chart) -> str:
    """Return a chart as a file that can be seen by itself."""
    inner = draw(chart)
    style = f"<style>{chart_style()}</style>"
    head, _, rest = inner.partition(">")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'


@cache
def chart_style() -> str:
    """Return the style of charts."""
    from mmcli.reports.charts import DARK, LIGHT

    rules = (Path(__file__).parent / "charts.css").read_text(encoding="utf-8")
    light = "".join(f"--s{place}:{colour};" for place, colour in enumerate(LIGHT))
    dark = "".join(f"--s{place}:{colour};" for place, colour in enumerate(DARK))
    colours = "".join(
        f".f{place}{{fill:var(--s{place})}}.l{place}{{stroke:var(--s{place})}}" for place in range(len(LIGHT))
    )
    shades = "".join(f".h{place}{{fill-opacity:{place / _SHADES:.2f}}}" for place in range(_SHADES + 1))
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{rules}{colours}{shades}"


def shade_of(share: float) -> int:
    """Return the number of the shade of a share from 0 to 1; 0 is for nothing."""
    return 0 if share <= 0 else max(1, min(_SHADES, math.ceil(share * _SHADES)))


def _open(chart: Chart, prefix: str, width: float, height: float) -> str:
    name = escape(f"{prefix}{chart.name}")
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(chart.title)}</title><desc id="{name}-d">{escape(chart.told)}</desc>'
    )


def _text(x: float, y: float, text: str, role: str, more: str = "") -> str:
    return f'<text class="{role}" x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>'


def _cut(text: str, most: int = 26) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _plot(plot: Plot, prefix: str) -> str:
    frame = frame_of(plot)
    legend = [series for series in plot.series if series.name]
    width, height = (_SIDE + _LEFT + _RIGHT, _SIDE + _TOP + _BOTTOM) if plot.square else (_WIDTH, _HEIGHT)
    rows = list(_legend_rows(legend, width))
    x0, x1, y0, y1 = _LEFT, width - _RIGHT, height - _BOTTOM, _TOP

    def px(x: float) -> float:
        return x0 + (x - frame.x[0]) / (frame.x[1] - frame.x[0]) * (x1 - x0)

    def py(y: float) -> float:
        return y0 - (y - frame.y[0]) / (frame.y[1] - frame.y[0]) * (y0 - y1)

    parts = [_open(plot, prefix, width, height + 18 * len(rows))]
    if not plot.bare:
        for tick in frame.x_ticks:
            parts.append(f'<path class="grid" d="M{px(tick):.1f} {y0}V{y1}"/>')
            parts.append(_text(px(tick), y0 + 15, tick_text(tick), "tick mid"))
        for tick in frame.y_ticks:
            parts.append(f'<path class="grid" d="M{x0} {py(tick):.1f}H{x1}"/>')
            parts.append(_text(x0 - 6, py(tick) + 4, tick_text(tick), "tick end"))
        parts.append(f'<path class="axis" d="M{x0} {y1}V{y0}H{x1}"/>')
        parts.append(_text((x0 + x1) / 2, height - 8, plot.x, "label mid"))
        turned = f' transform="rotate(-90 14 {(y0 + y1) / 2:.1f})"'
        parts.append(_text(14, (y0 + y1) / 2, plot.y, "label mid", turned))
    for series in plot.series:
        parts += _drawn(series, px, py)
    if plot.diagonal:
        low, high = max(frame.x[0], frame.y[0]), min(frame.x[1], frame.y[1])
        parts.append(f'<path class="diagonal" d="M{px(low):.1f} {py(low):.1f}L{px(high):.1f} {py(high):.1f}"/>')
    for line, row in enumerate(rows):
        for x, series in row:
            y = height + 18 * line + 6
            parts.append(f'<rect class="f{colour_of(series.colour)}" x="{x:.1f}" y="{y - 8}" width="12" height="8"/>')
            parts.append(_text(x + 16, y, _cut(series.name), "tick"))
    return "".join((*parts, "</svg>"))


def _legend_rows(series: list[Series], width: float) -> Iterator[list[tuple[float, Series]]]:
    """Yield the lines of a legend: series with where each begins."""
    row: list[tuple[float, Series]] = []
    x = 8.0
    for each in series:
        taken = 28 + _LETTER * len(_cut(each.name))
        if row and x + taken > width:
            yield row
            row, x = [], 8.0
        row.append((x, each))
        x += taken
    if row:
        yield row


def _drawn(series: Series, px, py) -> Iterator[str]:  # type: ignore[no-untyped-def]
    colour = colour_of(series.colour)
    if series.kind == "bars":
        for x, y in series.points:
            left, right = px(x - series.width / 2), px(x + series.width / 2)
            top, bottom = sorted((py(y), py(0.0)))
            yield (
                f'<rect class="f{colour}" x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 0.5):.1f}" '
                f'height="{bottom - top:.1f}"/>'
            )
    elif series.kind == "dots":
        for place, (x, y) in enumerate(series.points):
            told = f' data-row="{series.rows[place]}"' if series.rows else ""
            yield f'<circle class="dot f{colour}" cx="{px(x):.1f}" cy="{py(y):.1f}" r="3.5"{told}/>'
    elif series.points:
        path = "L".join(f"{px(x):.1f} {py(y):.1f}" for x, y in series.points)
        dashed = " dashed" if series.dashed else ""
        yield f'<path class="line l{colour}{dashed}" d="M{path}"/>'


def _ranking(ranking: Ranking, prefix: str) -> str:
    low, high = range_of(ends_of(ranking))
    named = min(_NAMED, 12 + _LETTER * max(len(_cut(bar.name)) for bar in ranking.bars))
    height = _TOP + _LINE * len(ranking.bars) + _BOTTOM
    x0, x1, y0 = named, _WIDTH - 52, height - _BOTTOM

    def px(x: float) -> float:
        return x0 + (x - low) / (high - low) * (x1 - x0)

    parts = [_open(ranking, prefix, _WIDTH, height)]
    for tick in ticks_of((low, high)):
        parts.append(f'<path class="grid" d="M{px(tick):.1f} {y0}V{_TOP}"/>')
        parts.append(_text(px(tick), y0 + 15, tick_text(tick), "tick mid"))
    for place, bar in enumerate(ranking.bars):
        y = _TOP + _LINE * place + _LINE / 2
        colour = colour_of(bar.colour)
        parts.append(_text(named - 6, y + 4, _cut(bar.name), "name end"))
        if ranking.zoomed:
            parts.append(f'<circle class="f{colour}" cx="{px(bar.value):.1f}" cy="{y:.1f}" r="5"/>')
        else:
            left, right = sorted((px(0.0), px(bar.value)))
            size = f'width="{max(right - left, 1):.1f}" height="14"'
            parts.append(f'<rect class="f{colour}" x="{left:.1f}" y="{y - 7:.1f}" {size}/>')
        parts += [f'<path class="whisker" d="M{px(value):.1f} {y - 7:.1f}v14"/>' for value in bar.singles]
        if bar.low is not None and bar.high is not None:
            a, b = px(bar.low), px(bar.high)
            parts.append(
                f'<path class="whisker" d="M{a:.1f} {y:.1f}H{b:.1f}M{a:.1f} {y - 4:.1f}v8M{b:.1f} {y - 4:.1f}v8"/>'
            )
        parts.append(_text(_WIDTH - 4, y + 4, number_text(bar.value), "tick end"))
    if ranking.mark is not None:
        parts.append(f'<path class="mark" d="M{px(ranking.mark):.1f} {_TOP - 6}V{y0}"/>')
    parts.append(f'<path class="axis" d="M{px(low if ranking.zoomed else 0.0):.1f} {_TOP}V{y0}"/>')
    label = ranking.x + (f" (dashed: {ranking.mark_name})" if ranking.mark_name else "")
    parts.append(_text(_WIDTH / 2, height - 8, label, "label mid"))
    return "".join((*parts, "</svg>"))


def _matrix(matrix: Matrix, prefix: str) -> str:
    named = min(_NAMED, 14 + _LETTER * max(len(_cut(name)) for name in matrix.names)) + 18
    below = min(_NAMED, 14 + _LETTER * max(len(_cut(name)) for name in matrix.columns)) + 18
    width, height = named + _CELL * len(matrix.columns) + 8, _CELL * len(matrix.names) + below + 8
    parts = [_open(matrix, prefix, width, height)]
    for line, (name, counts) in enumerate(zip(matrix.names, matrix.counts, strict=True)):
        y = 4 + _CELL * line
        parts.append(_text(named - 6, y + _CELL / 2 + 4, _cut(name), "name end"))
        for place, count in enumerate(counts):
            x, shade = named + _CELL * place, shade_of(count / max(sum(counts), 1))
            parts.append(
                f'<rect class="cell f0 h{shade}" x="{x:.1f}" y="{y}" width="{_CELL - 1}" height="{_CELL - 1}"/>'
            )
            if count:
                strong = " strong" if shade > _SHADES // 2 else ""
                parts.append(_text(x + _CELL / 2, y + _CELL / 2 + 4, str(count), f"count mid{strong}"))
    for place, name in enumerate(matrix.columns):
        x, y = named + _CELL * place + _CELL / 2, 12 + _CELL * len(matrix.names)
        parts.append(_text(x + 4, y, _cut(name), "name end", f' transform="rotate(-90 {x + 4:.1f} {y})"'))
    parts.append(_text(named + _CELL * len(matrix.columns) / 2, height - 4, matrix.x, "label mid"))
    middle = 4 + _CELL * len(matrix.names) / 2
    parts.append(_text(12, middle, matrix.y, "label mid", f' transform="rotate(-90 12 {middle:.1f})"'))
    return "".join((*parts, "</svg>"))
