"""clean: what interrupted runs have left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mmcli.errors import MmcliError
from mmcli.store.publish import is_locked


@dataclass(frozen=True)
class Leftover:
    """A folder or file that an interrupted run left, and whether a run is writing it now."""

    path: Path
    bytes: int
    in_use: bool


def find_leftovers(folder: Path) -> list[Leftover]:
    """Return what interrupted runs left in a folder, at any depth.

    Raises:
        MmcliError: There is no such folder.
    """
    if not folder.is_dir():
        raise MmcliError(f"{folder}: no such folder")
    found: list[Leftover] = []
    for pattern in (".*.partial", ".*.replaced.*", ".*.writing"):
        for path in sorted(folder.rglob(pattern)):
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            inside = any(other.path in path.parents for other in found)
            if not inside:
                found.append(Leftover(path, sum(file.stat().st_size for file in files), is_locked(path)))
    return found


def remove(leftovers: list[Leftover]) -> list[Leftover]:
    """Remove those that no run is writing; return them."""
    free = [leftover for leftover in leftovers if not leftover.in_use]
    for leftover in free:
        if leftover.path.is_dir():
            shutil.rmtree(leftover.path)
        else:
            leftover.path.unlink()
    return free
