"""What people see: notes and progress on standard error, results on standard output. The only user of rich."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from mmcli.reporting import Progress

if TYPE_CHECKING:
    from mmcli.stages.driver import Summary
    from mmcli.stages.evaluate import Report
    from mmcli.stages.names import Name

STATUSES = ("ok", "missing", "corrupt", "skipped")
_STATUS_STYLE = {"ok": "green", "missing": "yellow", "corrupt": "red", "skipped": "magenta"}
_HEADLINE = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss")


class _Shown:
    def __init__(self, progress: RichProgress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.update(self._task, advance=steps, note=note)


class Console:
    """A Reporter that writes to standard error; the progress bar only where that is a terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._rich = RichConsole(stderr=True, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Say one line of information."""
        if not self.quiet:
            self._rich.print(f"[dim]{escape(text)}[/dim]")

    def warn(self, text: str) -> None:
        """Say one line that the person should act on or know about."""
        self._rich.print(f"[yellow]warning:[/yellow] {escape(text)}")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Show a bar with count, time left and note."""
        columns = (
            TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )  # fmt: skip
        shown = not self.quiet and self._rich.is_terminal
        with RichProgress(*columns, console=self._rich, disable=not shown, transient=True) as progress:
            yield _Shown(progress, progress.add_task(label, total=total, note=""))


def print_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as JSON lines, at once."""
    with _reader_may_leave():
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()


def show_stage(summary: Summary, as_json: bool) -> None:
    """Print a stage's summary, or, into a pipe or file, the artifact's rows for the next stage."""
    if as_json:
        print(json.dumps(summary.to_json(), ensure_ascii=False))
    elif _is_pipe_or_file():
        _write_rows(Path(summary.output))
    else:
        _print_summary(summary)


def show_model(summary: Summary, as_json: bool) -> None:
    """Print what train made."""
    if as_json:
        print(json.dumps(summary.to_json(), ensure_ascii=False))
        return
    details = summary.details
    out = _standard_output()
    out.print(
        f"[bold]{escape(summary.output)}[/bold]: {details['task']} by {details['method']}, "
        f"{details['parameters']:,} parameters, best epoch {details['best_epoch']}, {summary.seconds:.1f} s"
    )
    shown = {name: value for name, value in details["val"].items() if name in ("accuracy", "macro_f1", "log_loss")}
    out.print("val " + "  ".join(f"{name} {value:.4f}" for name, value in shown.items()))


def show_report(report: Report, as_json: bool) -> None:
    """Print an evaluation: metrics with intervals beside the baseline, subsets of modalities, confusions."""
    if as_json:
        print(json.dumps(report.metrics, ensure_ascii=False))
        return
    found = report.metrics
    out = _standard_output()
    title = f"{found['task']}, {found['n']} rows of {found['split']}"
    baseline_name, baseline = next(iter(found["baselines"].items()))
    table = _table(title, "metric", "value", "95 % interval", baseline_name)
    for name, value in found["metrics"].items():
        low, high = found["intervals"].get(name, (None, None))
        shown = "" if low is None else f"{low:.4f} … {high:.4f}"
        table.add_row(name, f"{value:.4f}", shown, f"{baseline[name]:.4f}" if name in baseline else "")
    out.print(table)
    if found["subsets"]:
        headline = [name for name in _HEADLINE if name in found["metrics"]]
        table = _table("with these modalities alone, the others masked", "modalities", *headline)
        for name, values in {**found["subsets"], "all": found["metrics"]}.items():
            table.add_row(escape(name), *(f"{values[metric]:.4f}" if metric in values else "" for metric in headline))
        out.print(table)
    _print_confusion(out, report.confusion)
    if report.output:
        out.print(f"report in [bold]{escape(report.output)}[/bold]")


def show_names(names: Sequence[Name], as_json: bool) -> None:
    """Print registered names."""
    if as_json:
        print(json.dumps([name.__dict__ for name in names], ensure_ascii=False))
        return
    out = _standard_output()
    for what in dict.fromkeys(name.what for name in names):
        table = _table(what, "name", "kind", "what it is")
        for name in names:
            if name.what == what:
                table.add_row(name.name, name.kind, escape(name.summary))
        out.print(table)


def show_artifact(found: Mapping[str, Any], as_json: bool) -> None:
    """Print what inspect found."""
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    out = _standard_output()
    out.print(
        f"[bold]{escape(found['path'])}[/bold]: {found['stage']}, {found['rows']} rows, {found['bytes'] / 1e6:.1f} MB"
    )
    out.print(f"made by: {escape(found['command'] or 'unknown')}  ({found['made']})")
    chain = " → ".join(f"{record['stage']} {record['fingerprint'][:8]}" for record in found["chain"])
    out.print(f"chain: {chain or 'none'}   digest {found['digest'][:16]}")
    if found.get("splits"):
        out.print("splits: " + ", ".join(f"{count} {split}" for split, count in found["splits"].items()))
    table = _table("", "modality", "kind", "extractor", "shape", "dtype", *STATUSES)
    for name, spec in found["modalities"].items():
        counts = found["counts"].get(name)
        form = spec["fields"][""]
        shown = [str(counts[status]) if counts else "" for status in STATUSES]
        table.add_row(
            escape(name), spec["kind"], escape(spec["extractor"] or ""), shape_of(form), form["dtype"], *shown
        )
    if found["modalities"]:
        out.print(table)
    for entry in found["problems"]:
        path = f" ({entry['path']})" if entry["path"] else ""
        status = f"[{_STATUS_STYLE[entry['status']]}]{entry['status']}[/]"
        out.print(f"{status} {escape(entry['id'])} {escape(entry['modality'])}: {escape(entry['reason'] + path)}")
    if found["more_problems"]:
        out.print(f"… and {found['more_problems']} more in ledger.jsonl (--problems N shows more)")


def show_result(result: Any, as_json: bool) -> None:
    """Print what one stage of a pipeline returned."""
    if isinstance(result, dict):
        print(json.dumps(result) if as_json else f"{result['predictions']} predictions in {result['output']}")
    elif hasattr(result, "confusion"):
        show_report(result, as_json)
    elif result.stage == "train":
        show_model(result, as_json)
    elif as_json:
        print(json.dumps(result.to_json(), ensure_ascii=False))
    else:
        _print_summary(result)


def shape_of(form: Mapping[str, Any]) -> str:
    """Return a form as people write it: ``T × 20``, ``3 × 224 × 224``."""
    sizes = [str(size) for size in form["dims"]]
    if form["layout"] == "ragged":
        sizes.insert(0, form["axes"][0])
    return " × ".join(sizes) or "1"


def _print_summary(summary: Summary) -> None:
    out = _standard_output()
    reused = f", {summary.reused} reused" if summary.reused else ""
    out.print(
        f"[bold]{escape(summary.output)}[/bold]: {summary.rows} rows in {summary.seconds:.1f} s "
        f"({summary.computed} items computed{reused})"
    )
    table = _table("", "modality", *STATUSES)
    for name, counts in summary.counts.items():
        table.add_row(escape(name), *(_coloured(status, counts[status]) for status in STATUSES))
    out.print(table)


def _coloured(status: str, count: int) -> str:
    return f"[{_STATUS_STYLE[status]}]{count}[/]" if count else "[dim]0[/]"


def _print_confusion(out: RichConsole, confusion: Mapping[str, Any]) -> None:
    """Print the matrix where it fits, and the commonest confusions where it does not."""
    classes, counts = confusion["classes"], confusion["counts"]
    if len(classes) <= 12:
        table = _table("confusion: true classes in rows", "", *(escape(name[:12]) for name in classes))
        for name, row in zip(classes, counts, strict=True):
            table.add_row(escape(name), *(str(count) if count else "[dim]·[/]" for count in row))
        out.print(table)
        return
    wrong = [
        (count, classes[true], classes[predicted])
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    table = _table("commonest confusions", "true", "predicted", "rows")
    for count, true, predicted in sorted(wrong, reverse=True)[:10]:
        table.add_row(escape(true), escape(predicted), str(count))
    out.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "default", no_wrap=True)
    return table


def _standard_output() -> RichConsole:
    return RichConsole(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def _is_pipe_or_file() -> bool:
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _write_rows(artifact: Path) -> None:
    """Write the manifest's lines, each with the artifact's path before its own columns."""
    start = ('{"artifact": ' + json.dumps(str(artifact), ensure_ascii=False) + ", ").encode()
    with (artifact / "manifest.jsonl").open("rb") as manifest, _reader_may_leave():
        for line in manifest:
            sys.stdout.buffer.write(start + line[1:])
        sys.stdout.buffer.flush()


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """End quietly where whoever reads our rows has had enough: what we made is whole."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at the end
        raise SystemExit(0) from None
