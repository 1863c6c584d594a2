"""Prefetches items in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")
_AHEAD = 2
MADE_AT_ONCE = _AHEAD + 2
"""Maximum number of items in memory: those that wait, the one being made, and the one in use."""
_END = object()


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items in order, making the next ones meanwhile; an error is raised at the failed item's turn."""
    waiting: queue.Queue[object] = queue.Queue(_AHEAD)
    left = threading.Event()

    def offer(item: object) -> None:
        while not left.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            for item in items:
                offer(item)
                if left.is_set():
                    return
        except BaseException as error:  # raised again below, in the consuming thread
            offer(error)
        else:
            offer(_END)

    thread = threading.Thread(target=make, name="mmcli-ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
    finally:
        left.set()
        thread.join()
