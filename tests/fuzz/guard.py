"""Watches a reader that is given damaged files: what it raises, how long it takes, how much memory, what it touches."""

from __future__ import annotations

import faulthandler
import gc
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from mmcli.errors import MmcliError, UnusableError

SECONDS = 10.0
HANG = 60.0
ADDRESS_SPACE = 2 * 2**30
_BATCH = 200
_PROJECT = str(Path(__file__).parents[2])
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NEVER = frozenset({
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pickle.find_class",
    "socket.connect", "webbrowser.open", "ctypes.dlopen",
})  # fmt: skip
_CHANGES = frozenset({"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
                      "os.chmod", "shutil.rmtree", "shutil.move"})  # fmt: skip


class ForbiddenError(BaseException):
    """A reader did what reading never does; no ``except Exception`` hides it."""


@dataclass(frozen=True)
class Case:
    """One damaged file.

    Args:
        name: Which of the reader's files it stands for.
        content: Its bytes.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Reader:
    """What is fuzzed.

    Args:
        cases: Damaged files.
        read: Reads one of them to the end; may raise MmcliError and UnusableError.
        memory: The bytes by which the process may grow while it reads, at most.
    """

    cases: SearchStrategy[Case]
    read: Callable[[Case], None]
    memory: int = 512 * 2**20


def refused() -> suppress:
    """Take the expected failures of one step for an answer, so that the steps after it are tried too."""
    return suppress(MmcliError, UnusableError)


class Watch:
    """Tries cases of a reader and keeps what was found, each kind of failure once.

    Args:
        reader: What is fuzzed.
        folder: Where the case at hand (``current``) and findings are kept; readers write below it and nowhere else.
    """

    def __init__(self, reader: Reader, folder: Path) -> None:
        self.reader = reader
        self.folder = folder
        self.tried = 0
        self._watching = False
        (folder / "findings").mkdir(exist_ok=True)

    def run(self, minutes: float, first_seed: int) -> None:
        """Try cases until the time is over."""
        end = time.monotonic() + minutes * 60
        self._limit()
        number = first_seed
        while time.monotonic() < end:
            self._batch(number, end)
            number += 1
        (self.folder / "tried").write_text(str(self.tried))

    def _batch(self, number: int, end: float) -> None:
        @seed(number)
        @settings(
            max_examples=_BATCH, database=None, deadline=None, phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=self.reader.cases)
        def attempt(case: Case) -> None:
            if time.monotonic() < end:
                self._attempt(case)

        attempt()
        (self.folder / "tried").write_text(str(self.tried))

    def _attempt(self, case: Case) -> None:
        (self.folder / "current").write_bytes(case.name.encode("utf-8", "replace") + b"\n" + case.content)
        self.tried += 1
        faulthandler.dump_traceback_later(HANG, exit=True)
        began, before = time.process_time(), _peak()
        self._watching = True
        try:
            self.reader.read(case)
        except (MmcliError, UnusableError) as error:
            if len(str(error).encode("utf-8", "replace")) > 20_000:
                self._found(f"a message of more than 20,000 bytes: {str(error)[:200]}", _place(error))
        except RecursionError as error:
            self._found("RecursionError", _place(error))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            kind = str(error).split()[0] if isinstance(error, ForbiddenError) else type(error).__name__
            self._found("".join(traceback.format_exception(error)), f"{kind} {_place(error)}")
        finally:
            self._watching = False
            faulthandler.cancel_dump_traceback_later()
        taken = time.process_time() - began
        if taken > SECONDS:
            self._found(f"{taken:.0f} seconds", "slow")
        grown = _peak() - before
        if grown > self.reader.memory:
            self._found(f"{grown} bytes more", f"memory of {case.name}")

    def _found(self, told: str, kind: str) -> None:
        name = "".join(letter if letter.isalnum() else "-" for letter in kind)[:120]
        place = self.folder / "findings" / name
        if place.exists():
            return
        place.mkdir()
        (place / "told.txt").write_text(told, errors="replace")
        os.replace(self.folder / "current", place / "case")

    def _limit(self) -> None:
        """Bound the address space to what is mapped now and a little, and forbid what no reader does."""
        gc.collect()
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + ADDRESS_SPACE, resource.RLIM_INFINITY))
        allowed = str(self.folder.resolve())

        def watch(event: str, values: tuple[Any, ...]) -> None:
            if self._watching and not _is_allowed(event, values, allowed):
                raise ForbiddenError(f"{event} {values!r}"[:500])

        sys.addaudithook(watch)


def _peak() -> int:
    """Return the most bytes of memory that the process has had; ``getrusage`` would count what its parent had, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _is_allowed(event: str, values: tuple[Any, ...], folder: str) -> bool:
    if event in _NEVER:
        return event == "ctypes.dlopen" and _comes_from_import()
    if event == "open":
        path, mode, flags = values
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITING)
        return not writes or isinstance(path, int) or path == "/dev/null" or _inside(path, folder)
    return event not in _CHANGES or all(_inside(path, folder) for path in values if isinstance(path, str | bytes))


def _comes_from_import() -> bool:
    """Libraries are loaded when a module is first imported."""
    return any(frame.filename.startswith("<frozen importlib") for frame in traceback.extract_stack())


def _inside(path: Any, folder: str) -> bool:
    return os.path.realpath(os.fsdecode(path)).startswith(folder)


def _place(error: BaseException) -> str:
    """Return the innermost line of mmcli that the error came through, else of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{_PROJECT}/mmcli" in frame.filename] or frames
    return f"{Path(ours[-1].filename).stem}-{ours[-1].name}-{ours[-1].lineno}" if ours else ""
