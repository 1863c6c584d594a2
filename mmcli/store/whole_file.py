"""Single files that are there complete, or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmcli.errors import MmcliError, UsageError


@contextmanager
def whole_file(output: Path) -> Iterator[Path]:
    """Give a path beside ``output`` to write to; it becomes ``output`` once all is written. Folders are made.

    Raises:
        UsageError: ``output`` is a folder.
        MmcliError: Its folder takes no files.
    """
    if output.is_dir():
        raise UsageError(f"{output}: is a folder, expected the name of a file")
    beside = output.with_name(f".{output.name}.writing")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
    except OSError as error:
        raise MmcliError(f"{output}: cannot be written: {error.strerror}") from None
    try:
        yield beside
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)
