"""What a reader did with an input that is ok and a person should know of, such as a colour profile left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from mmcli.reporting import Reporter

_HEARD: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_EXAMPLES = 3


def notice(text: str) -> None:
    """Say what was done with the input that is being read; nobody hears it outside of ``listening``."""
    heard = _HEARD.get()
    if heard is not None:
        heard.append(text)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what readers say in this thread."""
    heard: list[str] = []
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


class Notices:
    """Counts what was said of samples, by modality and text, and keeps the first ids as examples."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], list[str]] = {}

    def add(self, modality: str, sample: str, texts: list[str]) -> None:
        """Count what was said of one sample."""
        with self._lock:
            for text in dict.fromkeys(texts):
                place = (modality, text)
                self._counts[place] = self._counts.get(place, 0) + 1
                self._examples[place] = sorted([*self._examples.get(place, ()), sample])[:_EXAMPLES]

    def report(self, reporter: Reporter) -> None:
        """Warn of each thing that was said, with its count and examples."""
        for (modality, text), count in sorted(self._counts.items()):
            examples = ", ".join(self._examples[modality, text])
            reporter.warn(f"{modality}: {text}: {count} inputs, such as {examples}")
