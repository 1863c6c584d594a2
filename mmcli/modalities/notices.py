"""Notices of readers about inputs that are ok but worth knowing about, such as an ignored colour profile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from mmcli.reporting import Reporter

_HEARD: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_EXAMPLES = 3


def notice(text: str) -> None:
    """Report something about the input being read; ignored outside ``listening``."""
    heard = _HEARD.get()
    if heard is not None:
        heard.append(text)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect the notices of readers in this thread."""
    heard: list[str] = []
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


class Notices:
    """Counts notices by modality and text, and keeps the first sample ids as examples."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], list[str]] = {}

    def add(self, modality: str, sample: str, texts: list[str]) -> None:
        """Count the notices of one sample."""
        with self._lock:
            for text in dict.fromkeys(texts):
                place = (modality, text)
                self._counts[place] = self._counts.get(place, 0) + 1
                self._examples[place] = sorted([*self._examples.get(place, ()), sample])[:_EXAMPLES]

    def report(self, reporter: Reporter) -> None:
        """Warn once for each notice, with its count and examples."""
        for (modality, text), count in sorted(self._counts.items()):
            examples = ", ".join(self._examples[modality, text])
            reporter.warn(f"{modality}: {text}: {count} inputs, such as {examples}")
