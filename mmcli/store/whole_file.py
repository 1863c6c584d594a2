"""Single files that are there complete, or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(output: Path) -> Iterator[Path]:
    """Give a path beside ``output`` to write to; it becomes ``output`` once all is written. Folders are made."""
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f".{output.name}.writing")
    try:
        yield beside
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)
