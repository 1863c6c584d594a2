"""Prints the report of check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from mmcli.console import STATUS_STYLE, coloured, json_line, make_table, standard_output

if TYPE_CHECKING:
    from mmcli.tables.check_report import CheckReport

_EXAMPLES = 10
_LABELS = 12
_ODD = 5


def show_check(report: CheckReport, as_json: bool) -> None:
    """Print the report."""
    if as_json:
        print(json_line(report.to_json()))
        return
    out = standard_output()
    splits = ", ".join(f"{count} {split}" for split, count in report.splits.items())
    sample = "all of them" if report.looked_at == report.rows else f"{report.looked_at} of them"
    out.print(f"[bold]{escape(report.source)}[/bold]: {report.rows} rows ({splits}); decoded {sample}")
    table = make_table("", "column", "used as", "empty", "distinct", "example")
    for column in report.columns:
        table.add_row(
            escape(column.name), escape(column.used), str(column.empty), str(column.distinct), escape(column.example)
        )
    out.print(table)
    for column in report.columns:
        if column.odd:
            told = ", ".join(f"{value!r} {count}" for value, count in list(column.odd.items())[:_ODD])
            rest = f", … {len(column.odd) - _ODD} more" if len(column.odd) > _ODD else ""
            out.print(f"[yellow]{escape(column.name)}[/]: cells treated as empty: {escape(told + rest)}")
    if report.labels:
        shown = [f"{escape(label)} {count}" for label, count in list(report.labels.items())[:_LABELS]]
        more = f" … {len(report.labels) - _LABELS} more" if len(report.labels) > _LABELS else ""
        of = "" if report.looked_at == report.rows else " in the sampled rows"
        out.print(f"\n{len(report.labels)} labels{of}: {', '.join(shown)}{more}")
    table = make_table("", "modality", "kind", *STATUS_STYLE, "size (median, largest)")
    for modality in report.modalities:
        sizes = ", ".join(f"{_number(mid)}, {_number(high)} {what}" for what, (mid, high) in modality.sizes.items())
        counts = [coloured(status, modality.counts[status]) for status in STATUS_STYLE]
        table.add_row(escape(modality.name), modality.kind, *counts, sizes)
    out.print(table)
    for entry in report.bad[:_EXAMPLES]:
        path = f" ({entry.path})" if entry.path else ""
        out.print(
            f"{coloured(entry.status, entry.status)} {escape(entry.id)} {escape(entry.modality)}: "
            f"{escape(entry.reason + path)}"
        )
    if len(report.bad) > _EXAMPLES:
        out.print(f"… and {len(report.bad) - _EXAMPLES} more (--json lists all of them)")
    out.print(
        f"\npreprocess would read about {_bytes(report.read_bytes)} from files, write {_bytes(report.disk_bytes)} "
        f"({_bytes(report.free_bytes)} free here) and take about {_time(report.work_seconds)}"
    )
    if report.disk_bytes > report.free_bytes:
        out.print("[red]the disk does not have enough free space[/]")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
