"""Ranges and ticks of axes, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from mmcli.reports.charts import Frame, Plot

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TICKS = 5
_MARGIN = 0.04


def frame_of(plot: Plot) -> Frame:
    """Return the axes of a plot."""
    xs = [x for series in plot.series for x, _ in series.points]
    ys = [y for series in plot.series for _, y in series.points]
    if any(series.kind == "bars" for series in plot.series):
        ys.append(0.0)
    x, y = plot.x_range or range_of(xs), plot.y_range or range_of(ys)
    return Frame(x, y, ticks_of(x), ticks_of(y))


def range_of(values: Iterable[float]) -> tuple[float, float]:
    """Return ends that leave a margin around finite values."""
    found = [value for value in values if math.isfinite(value)]
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    margin = (high - low) * _MARGIN or abs(high) * _MARGIN or 1.0
    return (0.0 if low == 0 else low - margin), high + margin


def ticks_of(ends: tuple[float, float], wanted: int = _TICKS) -> Sequence[float]:
    """Return round numbers inside an axis."""
    low, high = ends
    rough = (high - low) / wanted
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * part for part in _STEPS if size * part >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    """Return a tick as text, large numbers with a unit: ``0.25``, ``200k``, ``1.5M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scale = 1e3 if unit == "k" else size
            return f"{value / scale:.4g}{unit}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def number_text(value: float | None) -> str:
    """Return a number as text, with three decimals where it is small: ``0.842``, ``12.35``, ``1,204``; "" for None."""
    if value is None or value != value:
        return ""
    if isinstance(value, int) or (abs(value) >= 1000 and math.isfinite(value)):
        text = f"{value:,.0f}"
    elif value != 0 and abs(value) < 0.001:
        text = f"{value:.{1 - math.floor(math.log10(abs(value)))}f}" if abs(value) >= 1e-6 else f"{value:.2g}"
    else:
        text = f"{value:.3f}" if abs(value) < 10 else f"{value:.2f}"
    return text.replace("-", "−")
