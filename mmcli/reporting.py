"""How stages communicate with the user: they call a Reporter and never print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

_STEERING = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\n\t"
}


def visible(text: str) -> str:
    """Escape the characters in a text that control a terminal or change the direction of writing."""
    return text if text.isascii() and text.isprintable() else text.translate(_STEERING)


class Progress(Protocol):
    """A running count of a known total."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more as done; ``note`` replaces the short text beside the count."""


class Reporter(Protocol):
    """Receives the messages of a running stage."""

    def note(self, text: str) -> None:
        """Report one line of information."""

    def warn(self, text: str) -> None:
        """Report one line that the user should act on or know about."""

    def progress(self, label: str, total: int) -> AbstractContextManager[Progress]:
        """Open a progress display of ``total`` steps, as a context manager."""


class _NoProgress:
    def advance(self, steps: int = 1, note: str = "") -> None:
        del steps, note


class Silent:
    """A Reporter that discards everything, for calls from Python and tests."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Show nothing."""
        del label, total
        yield _NoProgress()


class Within:
    """Reports one run inside the progress display of many: its notes appear next to their count."""

    def __init__(self, name: str, reporter: Reporter, progress: Progress) -> None:
        self._name = name
        self._reporter = reporter
        self._progress = progress

    def note(self, text: str) -> None:
        """Show a note next to the count."""
        self._progress.advance(0, f"{self._name}: {text}")

    def warn(self, text: str) -> None:
        """Pass on a warning with the name of the run."""
        self._reporter.warn(f"{self._name}: {text}")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Show notes next to the count."""
        del label, total
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Show the note next to the count."""
        del steps
        self.note(note)
