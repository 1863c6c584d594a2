"""Selects the metrics shown in summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase


def headline(patterns: Sequence[str], values: Mapping[str, float]) -> dict[str, float]:
    """Return the values of a task's headline metrics, the main one first.

    Args:
        patterns: The task's ``headline``: metric names, in which ``*`` matches any text.
        values: The values of all metrics, by name.
    """
    names = [name for pattern in patterns for name in values if fnmatchcase(name, pattern)]
    return {name: values[name] for name in dict.fromkeys(names)}
