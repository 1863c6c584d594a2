"""clean: finds and removes what interrupted runs left behind."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mmcli.context import RunContext, takes
from mmcli.errors import MmcliError
from mmcli.stages.config import CleanConfig
from mmcli.store.publish import is_locked


@dataclass(frozen=True)
class Leftover:
    """A folder or file that a run left behind, and whether a run is writing it now."""

    path: Path
    bytes: int
    in_use: bool


@dataclass(frozen=True)
class Leftovers:
    """What was found, and what was removed."""

    found: list[Leftover]
    removed: list[Leftover]


@takes(CleanConfig)
def clean(folder: Path, config: CleanConfig, context: RunContext) -> Leftovers:
    """Find what interrupted runs left in a folder, and remove it if ``yes`` is set.

    Raises:
        MmcliError: There is no such folder.
    """
    del context
    found = find_leftovers(folder)
    return Leftovers(found, remove(found) if config.yes else [])


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
    """Remove and return those that no run is writing."""
    free = [leftover for leftover in leftovers if not leftover.in_use]
    for leftover in free:
        if leftover.path.is_dir():
            shutil.rmtree(leftover.path)
        else:
            leftover.path.unlink()
    return free
