"""Prints why rows are predicted as they are."""

from __future__ import annotations

from rich.markup import escape

from mmcli.console import standard_output
from mmcli.explanation.told import MEANING, told_explanation
from mmcli.reports.explanations import Explained


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
