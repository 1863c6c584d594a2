"""Runs shards one after the other on this machine; the worker pool shares the items of a shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")
Result = TypeVar("Result")


def run_shards(
    work: Callable[[int], Made], finish: Callable[[int, Made], Result], numbers: Iterable[int]
) -> Iterator[Result]:
    """Run ``work`` for each shard number, and ``finish`` its result while the next is running.

    Results come in the order of the numbers; at most two shards are in memory at a time.
    """
    with ThreadPoolExecutor(1, "mmcli-finish") as pool:
        waiting: Future[Result] | None = None
        for number in numbers:
            made = work(number)
            if waiting is not None:
                yield waiting.result()
            waiting = pool.submit(finish, number, made)
        if waiting is not None:
            yield waiting.result()
