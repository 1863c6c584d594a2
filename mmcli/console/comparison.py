"""Prints a comparison of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from mmcli.console import json_line, make_table, standard_output, told_task

if TYPE_CHECKING:
    from mmcli.comparison.ranking import Comparison

_SURE = 0.05


def show_comparison(comparison: Comparison, as_json: bool) -> None:
    """Print the methods, best first, with their difference to the best single modality, then the failed ones."""
    told = comparison.to_json()
    if as_json:
        print(json_line(told))
        return
    out = standard_output()
    metric, reference, seeds = told["metric"], told["reference"], len(told["seeds"])
    of_seeds = f"{seeds} seed{'s' if seeds > 1 else ''}"
    title = f"{told_task(told['task'], told['target'])}, {told['n']} val rows, {of_seeds}"
    columns = ("method", "kind", metric, "± std", "parameters", "s/run", "difference", "p")
    table = make_table(title, *columns)
    for method in told["methods"]:
        if method["error"] is not None:
            continue
        name = escape(method["method"])
        best = method["method"] == reference
        seconds, p_value = method["seconds"], method["p_value"]
        shown_p = "" if p_value is None else f"{p_value:.4f}"
        table.add_row(
            f"[bold]{name}[/bold]" if best else name, method["kind"], f"{method['mean']:.4f}",
            "" if method["std"] is None else f"{method['std']:.4f}", f"{method['parameters']:,}",
            "" if seconds is None else f"{seconds:.1f}",
            "best single" if best else "" if method["difference"] is None else f"{method['difference']:+.4f}",
            f"[bold]{shown_p}[/bold]" if p_value is not None and p_value < _SURE else shown_p,
        )  # fmt: skip
    out.print(table)
    for method in told["methods"]:
        if method["error"] is not None:
            out.print(f"[yellow]{escape(method['method'])}[/]: failed, {escape(method['error'])}")
    baseline = next(((name, each[metric]) for name, each in told["baselines"].items() if metric in each), None)
    if baseline is not None:
        out.print(f"[dim]{baseline[0]}: {metric} {baseline[1]:.4f}[/dim]")
    out.print(f"comparison in [bold]{escape(comparison.output)}[/bold]")
