"""Prints what a model knows of its own errors: its calibration, the coverage of its sets, what abstaining gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console as RichConsole
from rich.markup import escape

from mmcli.console import make_table

_CLASSES = 20  # maximum number of classes in a table


def print_calibration(out: RichConsole, found: Mapping[str, Any]) -> None:
    """Print the temperature of each target, and how it changed metrics of the val rows."""
    for target, own in {"": found}.items() if "rows" in found else found.items():
        where = f" of {escape(target)}" if target else ""
        if "temperature" not in own:
            out.print(f"errors{where} on {own['rows']} val rows kept for --coverage")
            continue
        changes = ", ".join(f"{name} {before:.4f} to {after:.4f}" for name, (before, after) in own["metrics"].items())
        out.print(f"calibrated{where} on {own['rows']} val rows: temperature {own['temperature']:.3f}, {changes} there")


def print_coverage(out: RichConsole, found: Mapping[str, Any]) -> None:
    """Print how often the sets of each target hold the truth, and how large they are."""
    if not found:
        return
    several = "asked" not in found
    parts = found if several else {"": found}
    asked = next(iter(parts.values()))["asked"]
    table = make_table(
        f"sets that hold the truth with probability {asked:g}",
        *(["target"] if several else []), "measured", "95 % interval", "mean size or width", "val rows",
    )  # fmt: skip
    for target, own in parts.items():
        size = own.get("mean_size", own.get("mean_width"))
        low, high = own["interval"]
        table.add_row(
            *([escape(target)] if several else []), f"{own['measured']:.4f}", f"{low:.4f} … {high:.4f}",
            "unbounded" if size is None else f"{size:.4g}", f"{own['calibration_rows']:,}",
        )  # fmt: skip
    out.print(table)
    for target, own in parts.items():
        _print_classes(out, target, own.get("by_class", {}))


def _print_classes(out: RichConsole, target: str, classes: Mapping[str, Any]) -> None:
    """Print the classes whose sets hold the truth least often."""
    worst = sorted(classes, key=lambda name: classes[name]["coverage"])[:_CLASSES]
    if not worst:
        return
    more = f", the lowest {len(worst)} of {len(classes)}" if len(classes) > len(worst) else ""
    table = make_table(
        escape(f"coverage of each class{f' of {target}' if target else ''}{more}"), "", "measured", "rows"
    )
    for name in worst:
        table.add_row(escape(name), f"{classes[name]['coverage']:.4f}", str(classes[name]["rows"]))
    out.print(table)


def print_abstaining(out: RichConsole, tables: Mapping[str, Any], below: float | None) -> None:
    """Print how many rows are answered at thresholds of the probability, and how accurately; only if asked for."""
    if below is None:
        return
    for name, own in tables.items():
        if not name.startswith("selective"):
            continue
        target = name.removeprefix("selective").removeprefix("_")
        where = f" of {target}" if target else ""
        title = f"abstaining{where}: area under the risk-coverage curve {own['aurc']:.4f}"
        table = make_table(escape(title), "below", "answered", "rows", "accuracy")
        for each in own["thresholds"]:
            mark = " (asked)" if each["threshold"] == below else ""
            accuracy = "" if each["accuracy"] is None else f"{each['accuracy']:.4f}"
            table.add_row(f"{each['threshold']:g}{mark}", f"{each['answered']:.1%}", str(each["rows"]), accuracy)
        out.print(table)
