"""Draws the figure of a comparison: each method's mean and spread, in order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_INCHES_EACH, _INCHES_BESIDE, _DOTS = 0.28, 1.4, 120
_SINGLE, _FUSED, _SEED = "#d95f02", "#1b6ca8", "#333333"


def draw_comparison(found: Mapping[str, Any], path: Path) -> None:
    """Draw the methods that did not fail, best at the top, as a PNG; no display is needed.

    Each stroke is a seed, the dot their mean, and the line one standard deviation to each side.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    methods = [method for method in found["methods"] if method["error"] is None]
    metric = found["metric"]
    figure = Figure(figsize=(7, _INCHES_BESIDE + _INCHES_EACH * len(methods)), layout="constrained")
    axes = figure.add_subplot()
    for place, method in enumerate(methods):
        single = method["kind"] == "single"
        values = [run["metrics"][metric] for run in method["runs"]]
        axes.plot(values, [place] * len(values), "|", color=_SEED, markersize=9, zorder=3)
        axes.errorbar(
            method["mean"], place, xerr=method["std"], fmt="D" if single else "o", markersize=6, capsize=2,
            color=_SINGLE if single else _FUSED, label="one modality alone" if single else "fused",
        )  # fmt: skip
    axes.set_yticks(range(len(methods)), [method["method"] for method in methods])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(f"{metric} on {found['n']} val rows, mean and standard deviation over {len(found['seeds'])} seeds")
    best = next((method for method in methods if method["method"] == found["reference"]), None)
    if best is not None:
        axes.axvline(best["mean"], color=_SINGLE, linewidth=0.8, linestyle=":")
    labelled = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(list(labelled.values()), list(labelled), frameon=False, fontsize="small")
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=_DOTS)
