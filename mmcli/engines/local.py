"""Runs shards one after the other on this machine; the items of a shard are shared out to the worker pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Result = TypeVar("Result")


def run_shards(work: Callable[[int], Result], numbers: Iterable[int]) -> Iterator[Result]:
    """Do ``work`` for each shard number; results come in the order of the numbers."""
    return map(work, numbers)
