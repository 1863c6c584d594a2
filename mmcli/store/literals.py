"""Parses Python literals, one thread at a time."""

from __future__ import annotations

import ast
import threading
from typing import Any

ONE_PARSE = threading.Lock()
"""Held during every ``ast.literal_eval``, ours or NumPy's: on Python 3.11 concurrent calls sometimes fail."""


def parse_literal(text: str) -> Any:
    """Call ``ast.literal_eval`` under the lock."""
    with ONE_PARSE:
        return ast.literal_eval(text)
