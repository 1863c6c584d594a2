"""Prints models that were measured on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from mmcli.console import headline, json_line, make_table, standard_output, told_task
from mmcli.evaluation.differences import told_differences

if TYPE_CHECKING:
    from mmcli.stages.evaluated import ModelsReport


def show_models(report: ModelsReport, as_json: bool, every: bool = False) -> None:
    """Print the metrics of each model, and a sentence for each pair.

    Args:
        report: What evaluate found.
        as_json: Whether to print it as JSON.
        every: Whether to print all metrics, not only the main ones.
    """
    found = report.found
    if as_json:
        print(json_line(found))
        return
    out = standard_output()
    metric = found["metric"]
    shown = list(dict.fromkeys(name for own in found["models"].values() for name in own))
    main = headline(found["task"], dict.fromkeys(shown, 0.0))
    if not every and main:
        shown = list(main)
    title = f"{told_task(found['task'], found['target'])}, {found['n']} rows of {found['split']}"
    table = make_table(escape(title), "model", *map(escape, shown), f"95 % interval of {escape(metric)}")
    for name, values in found["models"].items():
        low, high = found["intervals"][name].get(metric, (None, None))
        table.add_row(
            f"[bold]{escape(name)}[/bold]" if name == found["best"] else escape(name),
            *(f"{values[each]:.4f}" if each in values else "" for each in shown),
            "" if low is None else f"{low:.4f} … {high:.4f}",
        )
    out.print(table)
    for sentence in told_differences(found):
        out.print(escape(sentence))
    if report.output:
        out.print(f"comparison and a report of each model in [bold]{escape(report.output)}[/bold]")
