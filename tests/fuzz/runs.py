"""Fuzzes one reader: processes that try damaged files until the time is over, however they end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.fuzz.guard import Watch

READERS = (
    "artifact", "tensors", "model", "checkpoint", "rows", "tables", "yaml", "specs", "images", "sounds", "videos",
    "arrays", "texts", "weights",
)  # fmt: skip
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What came of a reader: ``findings`` are what was told of each kind of failure."""

    reader: str
    minutes: float
    tried: int
    findings: dict[str, str]

    def __str__(self) -> str:
        speed = self.tried / max(1e-9, self.minutes * 60)
        head = f"{self.reader}: {self.minutes:.1f} minutes, {self.tried} tried ({speed:.0f}/s), "
        return head + f"{len(self.findings)} findings" + "".join(f"\n  {name}" for name in self.findings)


def fuzz(reader: str, folder: Path, minutes: float) -> Outcome:
    """Fuzz a reader; a process that crashes or hangs is a finding, and the next one goes on."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "findings").mkdir(parents=True)
    (folder / "temporary").mkdir()
    began, tried, number = time.monotonic(), 0, 0
    while (left := minutes - (time.monotonic() - began) / 60) > 0:
        done = _start(reader, folder, left, number)
        now = int((folder / "tried").read_text()) if (folder / "tried").exists() else 0
        (folder / "tried").unlink(missing_ok=True)
        tried += now
        if done.returncode:
            place = folder / "findings" / f"crash-{number // 1_000_000}-code-{abs(done.returncode)}"
            place.mkdir()
            (place / "told.txt").write_text((done.stdout or "")[-20_000:])
            if (folder / "current").exists():
                os.replace(folder / "current", place / "case")
            elif not now:
                break  # it cannot even begin
        number += 1_000_000
    found = {place.name: (place / "told.txt").read_text() for place in sorted((folder / "findings").iterdir())}
    return Outcome(reader, (time.monotonic() - began) / 60, tried, found)


def _start(reader: str, folder: Path, minutes: float, number: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz", reader, "--minutes", str(minutes),
         "--folder", str(folder), "--child", str(number)],
        cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
             "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2",
             "TMPDIR": str(folder / "temporary"), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "temporary")},
    )  # fmt: skip


def child(name: str, folder: Path, minutes: float, number: int) -> None:
    """Fuzz in this process."""
    work = Path(tempfile.mkdtemp(dir=folder / "temporary"))
    reader = import_module(f"tests.fuzz.readers.{name}").make(work)
    Watch(reader, folder).run(minutes, number)
