"""Prints why rows are predicted as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from mmcli.console import make_table, standard_output
from mmcli.explanation.told import MEANING, told_explanation

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from mmcli.reports.explanations import Explained

_MOST = 15  # inputs of a kind


def show_explained(result: Explained) -> None:
    """Print the explanations of the first rows in words, and where all are."""
    out = standard_output()
    for row in result.first:
        first, *others = told_explanation(row)
        out.print(f"[bold]{escape(first)}[/bold]")
        for line in others:
            out.print(escape(line))
    out.print(f"[dim]{MEANING}[/dim]")
    shown = f"the first {len(result.first)} of {result.rows} rows; " if len(result.first) < result.rows else ""
    out.print(f"{shown}explanations and pictures in [bold]{escape(result.output)}[/bold]")


def print_importance(out: RichConsole, found: Mapping[str, Any]) -> None:
    """Print by how much the main metric gets worse when an input is shuffled: modalities, extractors and columns."""
    if not found:
        return
    shown = {
        "modality": found.get("modalities", {}),
        "extractor": found.get("extractors", {}),
        "column": {
            f"{table}: {name}": own for table, each in found.get("columns", {}).items() for name, own in each.items()
        },
    }
    title = f"by how much {found['metric']} ({found['value']:.4f}) gets worse when an input is shuffled among the rows"
    table = make_table(escape(title), "input", "", "drop", "95 % interval")
    for kind, inputs in shown.items():
        for name, own in sorted(inputs.items(), key=lambda each: -each[1]["drop"])[:_MOST]:
            low, high = own.get("interval", (None, None))
            table.add_row(escape(name), kind, f"{own['drop']:+.4f}", "" if low is None else f"{low:+.4f} … {high:+.4f}")
    out.print(table)
