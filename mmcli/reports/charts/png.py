"""Draws charts as PNG with matplotlib; no display is needed."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from mmcli.reports.charts import LIGHT, Chart, Matrix, Plot, Ranking, colour_of
from mmcli.reports.charts.axes import frame_of, number_text, tick_text

_DOTS = 120
_INK, _RULE = "#1c2330", "#d9dde4"


def draw_png(chart: Chart) -> bytes:
    """Return a chart as PNG, always the same bytes for the same chart."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9, "axes.edgecolor": _RULE, "text.color": _INK, "axes.titlesize": 10}):
        figure = Figure(figsize=_size(chart))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_title(chart.title, loc="left", parse_math=False)
        if isinstance(chart, Plot):
            _plot(axes, chart)
        elif isinstance(chart, Ranking):
            _ranking(axes, chart)
        else:
            _matrix(axes, chart)
        written = BytesIO()
        figure.savefig(written, dpi=_DOTS, format="png", bbox_inches="tight", metadata={"Software": None})
    return written.getvalue()


def _size(chart: Chart) -> tuple[float, float]:
    if isinstance(chart, Matrix):
        return 2.2 + 0.36 * len(chart.columns), 2.0 + 0.32 * len(chart.names)
    if isinstance(chart, Ranking):
        return 6.0, 1.2 + 0.3 * len(chart.bars)
    return (5.0, 4.8) if chart.square else (6.0, 3.8)


def _plain(axes: Any) -> None:
    axes.grid(alpha=0.4, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _plot(axes: Any, plot: Plot) -> None:
    frame = frame_of(plot)
    _plain(axes)
    for series in plot.series:
        colour, name = LIGHT[colour_of(series.colour)], series.name or None
        xs, ys = [x for x, _ in series.points], [y for _, y in series.points]
        if series.kind == "bars":
            axes.bar(xs, ys, series.width * 0.95, color=colour, label=name)
        elif series.kind == "dots":
            axes.plot(xs, ys, "o", color=colour, markersize=3.5, alpha=0.75, markeredgewidth=0, label=name)
        else:
            axes.plot(xs, ys, "--" if series.dashed else "-", color=colour, linewidth=1.6, label=name)
    if plot.diagonal:
        low, high = max(frame.x[0], frame.y[0]), min(frame.x[1], frame.y[1])
        axes.plot([low, high], [low, high], ":", color=_INK, linewidth=0.8)
    axes.set_xlim(*frame.x)
    axes.set_ylim(*frame.y)
    if plot.bare:
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        axes.set_xticks(list(frame.x_ticks), [tick_text(tick) for tick in frame.x_ticks])
        axes.set_yticks(list(frame.y_ticks), [tick_text(tick) for tick in frame.y_ticks])
    axes.set_xlabel(plot.x, parse_math=False)
    axes.set_ylabel(plot.y, parse_math=False)
    if any(series.name for series in plot.series):
        legend = axes.legend(frameon=False, fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)


def _ranking(axes: Any, ranking: Ranking) -> None:
    _plain(axes)
    for place, bar in enumerate(ranking.bars):
        colour = LIGHT[colour_of(bar.colour)]
        if ranking.zoomed:
            axes.plot(bar.value, place, "o", color=colour, markersize=6)
        else:
            axes.barh(place, bar.value, 0.6, color=colour)
        axes.plot(bar.singles, [place] * len(bar.singles), "|", color=_INK, markersize=9)
        if bar.low is not None and bar.high is not None:
            axes.errorbar([(bar.low + bar.high) / 2], [place], xerr=[(bar.high - bar.low) / 2], color=_INK, capsize=3)
        end = max(bar.value, bar.value if bar.high is None else bar.high, *bar.singles)
        axes.annotate(number_text(bar.value), (end, place), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(ranking.bars)), [bar.name for bar in ranking.bars], parse_math=False)
    axes.invert_yaxis()
    if not ranking.zoomed:
        axes.axvline(0, color=_INK, linewidth=0.8)
    if ranking.mark is not None:
        axes.axvline(ranking.mark, color=_INK, linewidth=0.8, linestyle="--")
    axes.set_xlabel(ranking.x + (f" (dashed: {ranking.mark_name})" if ranking.mark_name else ""), parse_math=False)


def _matrix(axes: Any, matrix: Matrix) -> None:
    shares = [[count / max(sum(counts), 1) for count in counts] for counts in matrix.counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for line, counts in enumerate(matrix.counts):
        for place, count in enumerate(counts):
            if count:
                light = shares[line][place] > 0.55
                axes.text(place, line, str(count), ha="center", va="center", color="white" if light else _INK)
    axes.set_xticks(range(len(matrix.columns)), matrix.columns, rotation=90, parse_math=False)
    axes.set_yticks(range(len(matrix.names)), matrix.names, parse_math=False)
    axes.set_xlabel(matrix.x, parse_math=False)
    axes.set_ylabel(matrix.y, parse_math=False)
