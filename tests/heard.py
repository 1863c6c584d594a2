"""A reporter for tests that remembers what it was told."""

from __future__ import annotations

from mmcli.reporting import Silent


class Heard(Silent):
    """Keeps notes and warnings in the order in which they come."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        """Keep a note."""
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)
