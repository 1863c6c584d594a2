"""Cuts a range into parts of nearly equal length."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def equal_parts(length: int, most: int) -> list[tuple[int, int]]:
    """Return the start and stop of at most ``most`` parts that cover 0 to ``length`` without overlap, none empty."""
    edges = np.linspace(0, length, min(length, most) + 1).round().astype(int).tolist()
    return list(pairwise(edges)) if length else []
