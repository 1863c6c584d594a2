"""The terminal: notes and progress on standard error, results on standard output. The only user of rich."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Column, Table
from rich.text import Text

from mmcli.evaluation.headline import headline as headline_of
from mmcli.registry import TASKS
from mmcli.reporting import Progress, visible

_WIDTH = 400
"""Wider than any table: a terminal wraps long lines, while rich would truncate cells."""
_EVERY_SECONDS = 30
_STEERING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # JSON itself escapes those below the space
_FILLS_UP = Column(ratio=1, no_wrap=True)
STATUS_STYLE = {"ok": "green", "missing": "yellow", "corrupt": "red", "skipped": "magenta"}


class _Terminal(RichConsole):
    """A console on which text cannot send escape sequences."""

    def render_str(self, text: str, **styles: Any) -> Text:
        return super().render_str(visible(text), **styles)


class _Shown:
    def __init__(self, progress: RichProgress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.update(self._task, advance=steps, note=visible(note))


class _Told:
    """Progress without a terminal: a line now and then, so that a batch job's log shows that it is alive."""

    def __init__(self, console: Console, label: str, total: int) -> None:
        self._console = console
        self._label = label
        self._total = total
        self._done = 0
        self._said = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        if time.monotonic() - self._said >= _EVERY_SECONDS:
            self._said = time.monotonic()
            self._console.note(f"{self._label}: {self._done} of {self._total}{f', {note}' if note else ''}")


class Console:
    """A Reporter that writes to standard error: a progress bar on a terminal, lines elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._rich = _Terminal(stderr=True, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print one line of information."""
        if not self.quiet:
            self._rich.print(f"[dim]{escape(text)}[/dim]")

    def warn(self, text: str) -> None:
        """Print one line that the user should act on or know about."""
        self._rich.print(f"[yellow]warning:[/yellow] {escape(text)}")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Show a bar with count, time left and note; without a terminal, print a line every 30 seconds."""
        if not self._rich.is_terminal:
            yield _Told(self, label, total)
            return
        columns = (
            TextColumn("{task.description}"), BarColumn(bar_width=16), MofNCompleteColumn(),
            TimeRemainingColumn(compact=True), TextColumn("[dim]{task.fields[note]}", table_column=_FILLS_UP),
        )  # fmt: skip
        with RichProgress(*columns, console=self._rich, disable=self.quiet, transient=True) as progress:
            yield _Shown(progress, progress.add_task(label, total=total, note=""))


def json_line(value: Any) -> str:
    """Return a value as one line of JSON without terminal control characters, which are escaped."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def print_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as JSON Lines and flush."""
    with reader_may_leave():
        for row in rows:
            sys.stdout.write(json_line(row) + "\n")
        sys.stdout.flush()


def coloured(status: str, shown: int | str) -> str:
    """Return a count or word in the colour of a status; zero is dim."""
    return f"[{STATUS_STYLE[status]}]{shown}[/]" if shown else "[dim]0[/]"


def headline(task: str, values: Mapping[str, float]) -> dict[str, float]:
    """Return the main metrics of a task, for displays without room for all."""
    return headline_of(TASKS.constant(task, "headline"), values)


def told_task(task: str, target: str | list[str] | None) -> str:
    """Return a task with its target columns, if it has any."""
    return task if target is None else f"{task} of {escape(target if isinstance(target, str) else ', '.join(target))}"


def make_table(title: str, *columns: str) -> Table:
    """Return a table with these columns and no borders."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "default", no_wrap=True)
    return table


def standard_output() -> RichConsole:
    """Return a console for standard output."""
    return _Terminal(highlight=False, soft_wrap=True, width=_WIDTH)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Exit quietly when the reader of the output closes the pipe; the artifact is complete by then."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at the end
        raise SystemExit(0) from None
