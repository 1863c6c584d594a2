"""Prints artifacts, ledgers and what verify and clean found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from mmcli.console import (
    STATUS_STYLE,
    coloured,
    headline,
    json_line,
    make_table,
    print_lines,
    standard_output,
    told_task,
)
from mmcli.console.results import what_was_made

if TYPE_CHECKING:
    from mmcli.context import HasRows
    from mmcli.stages.clean import Leftover
    from mmcli.stages.verify import Difference


def show_artifact(found: Mapping[str, Any], as_json: bool) -> None:
    """Print the records of an artifact."""
    if as_json:
        print(json_line(found))
        return
    out = standard_output()
    what = {"train": "model", "evaluate": "report of evaluate", "compare": "report of compare"}.get(
        found["stage"], f"{found['stage']}, {found['rows']} rows"
    )
    out.print(f"[bold]{escape(found['path'])}[/bold]: {what}, {found['bytes'] / 1e6:.1f} MB")
    if found["stage"] == "train":
        out.print(_told_model(found))
    out.print(f"made by: {escape(found['command'] or 'unknown')}  ({found['made']})")
    chain = " → ".join(f"{record['stage']} {record['fingerprint'][:8]}" for record in found["chain"])
    out.print(f"chain: {chain or 'none'}   digest {found['digest'][:16]}")
    if found.get("splits"):
        out.print("splits: " + ", ".join(f"{count} {split}" for split, count in found["splits"].items()))
    table = make_table("", "modality", "kind", "extractor", "shape", "dtype", *STATUS_STYLE)
    for name, spec in found["modalities"].items():
        counts = found["counts"].get(name)
        form = spec["fields"][""]
        shown = [str(counts[status]) if counts else "" for status in STATUS_STYLE]
        table.add_row(
            escape(name), spec["kind"], escape(spec["extractor"] or ""), shape_of(form), form["dtype"], *shown
        )
    if found["modalities"]:
        out.print(table)
    for entry in found["problems"]:
        path = f" ({entry['path']})" if entry["path"] else ""
        status = f"[{STATUS_STYLE[entry['status']]}]{entry['status']}[/]"
        out.print(f"{status} {escape(entry['id'])} {escape(entry['modality'])}: {escape(entry['reason'] + path)}")
    if found["more_problems"]:
        out.print(f"… and {found['more_problems']} more in ledger.jsonl (--problems N shows more)")


def _told_model(found: Mapping[str, Any]) -> str:
    """Return a model's task, method and best epoch, and its val metrics, in two lines."""
    values = headline(found["task"], found["best_values"]) or found["best_values"]
    shown = [f"{escape(name)} {value:.4f}" for name, value in values.items()]
    what = told_task(found["task"], found["columns"]["target"])
    made = what_was_made(found["network"].get("model"), found["parameter_count"], found["best_epoch"])
    return (
        f"{what} by {found['network']['method']}, {made}"
        f"{', stopped early by the user' if found['stopped'] else ''}\n"
        f"val {'  '.join(shown)}"
    )


def show_rows(found: HasRows, as_json: bool) -> None:
    """Print rows as a table, or as JSON Lines."""
    if as_json:
        print_lines(found.rows)
        return
    table = make_table("", *found.columns)
    for row in found.rows:
        cells = {name: "" if row[name] is None else str(row[name]) for name in found.columns}
        table.add_row(*(coloured(cell, cell) if name == "status" else escape(cell) for name, cell in cells.items()))
    standard_output().print(table)


def show_differences(found: Sequence[Difference], as_json: bool) -> None:
    """Print what verify found."""
    if as_json:
        print(json_line([difference.__dict__ for difference in found]))
        return
    out = standard_output()
    for difference in found:
        out.print(f"[red]{escape(difference.where)}[/]: {escape(difference.what)}")
    if not found:
        out.print("[green]all hashes match[/]")


def show_leftovers(found: Sequence[Leftover], removed: Sequence[Leftover], as_json: bool) -> None:
    """Print what interrupted runs left, and what has been removed."""
    if as_json:
        rows = [{**left.__dict__, "path": str(left.path), "removed": left in removed} for left in found]
        print(json_line(rows))
        return
    out = standard_output()
    for left in found:
        what = "removed" if left in removed else "in use, kept" if left.in_use else "--yes removes it"
        out.print(f"{escape(str(left.path))}: {left.bytes / 1e6:.1f} MB, {what}")
    if not found:
        out.print("nothing left behind by interrupted runs")


def shape_of(form: Mapping[str, Any]) -> str:
    """Format a shape: ``T × 20``, ``3 × 224 × 224``."""
    sizes = [str(size) for size in form["dims"]]
    if form["layout"] == "ragged":
        sizes.insert(0, form["axes"][0])
    return " × ".join(sizes) or "1"
