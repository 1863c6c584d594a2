"""Which metrics are shown where there is no room for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase


def headline(patterns: Sequence[str], values: Mapping[str, float]) -> dict[str, float]:
    """Return the values that a task shows first, the main one before the others.

    Args:
        patterns: What the task's ``headline`` says: names of metrics, in which ``*`` stands for any text.
        values: Of all metrics, by name.
    """
    names = [name for pattern in patterns for name in values if fnmatchcase(name, pattern)]
    return {name: values[name] for name in dict.fromkeys(names)}
