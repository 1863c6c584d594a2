"""Memory available for training, and peak memory of the process."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

_SHARE = {"cpu": 0.5, "cuda": 0.9}
"""Usable share of free memory: on a CPU other processes need some; on a GPU the rest is lost to fragmentation."""
_V1, _V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")


def memory_budget(device: str) -> int | None:
    """Return how many more bytes training may use on a device; None if unknown."""
    free = free_memory(device)
    return None if free is None else int(free * _SHARE[device])


def free_memory(device: str) -> int | None:
    """Return the free bytes on a device; None if unknown."""
    if device == "cuda":
        import torch

        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0] + kept)
    if device != "cpu":
        return None
    return min((number for number in (_system_free(), cgroup_free()) if number is not None), default=None)


def _system_free() -> int | None:
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable:")


def _kilobytes(file: Path, name: str) -> int | None:
    """Return the bytes of a line such as ``MemAvailable:  2048 kB``; None if there is none."""
    try:
        words = file.read_text().partition(name)[2].split()
    except OSError:
        return None
    return int(words[0]) * 1024 if words else None


def cgroup_free(root: Path = Path("/sys/fs/cgroup"), told: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the free bytes under the limits of the process's control groups; None without limits.

    Args:
        root: Mount point of control groups, version 2, or version 1 with a folder per controller.
        told: The file that lists the process's control groups.
    """
    try:
        lines = told.read_text().splitlines()
    except OSError:
        return None
    free = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, files = (root / "memory", _V1) if controllers else (root, _V2)
        inside = PurePosixPath(name.lstrip("/"))
        free += [_group_free(top / folder, files) for folder in (inside, *inside.parents)]
    return min((number for number in free if number is not None), default=None)


def _group_free(folder: Path, files: tuple[str, str]) -> int | None:
    """Return the free bytes under a control group's limit; reclaimable page cache counts as free."""
    try:
        limit, taken = ((folder / file).read_text().strip() for file in files)
        pages = (folder / "memory.stat").read_text().split()
    except OSError:
        return None
    if limit == "max":
        return None
    name = "total_inactive_file" if files == _V1 else "inactive_file"
    given_back = int(pages[pages.index(name) + 1]) if name in pages else 0
    return max(0, int(limit) - int(taken) + given_back)


def peak_memory(device: str) -> dict[str, int]:
    """Return the peak memory of the process, and of its tensors on a GPU, in MB, as written to ``run.json``."""
    found = {}
    peak = _kilobytes(Path("/proc/self/status"), "VmHWM:")
    if peak is None and sys.platform != "win32":
        import resource

        # getrusage may include the parent's peak; without /proc there is nothing better.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if peak is not None:
        found["peak_memory_mb"] = round(peak / 2**20)
    if device == "cuda":
        import torch

        found["peak_device_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return found
