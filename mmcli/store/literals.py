"""Python literals out of text, by one thread at a time."""

from __future__ import annotations

import ast
import threading
from typing import Any

ONE_PARSE = threading.Lock()
"""Held while ``ast.literal_eval`` runs, ours or NumPy's: in Python 3.11 it fails, rarely, in two threads at once."""


def parse_literal(text: str) -> Any:
    """Return what ``ast.literal_eval`` returns, and raise what it raises."""
    with ONE_PARSE:
        return ast.literal_eval(text)
