"""Publishes a finished folder atomically, with one writer at a time."""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import shutil
import sys
import threading
from pathlib import Path

from mmcli.errors import MmcliError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock; there users must avoid two writers themselves
    fcntl = None  # type: ignore[assignment]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_TRIES = 1000


def partial_folder(output: Path) -> Path:
    """Return the folder in which a stage works until its artifact is complete."""
    return output.with_name(f".{output.name}.partial")


def replaced_folder(output: Path) -> Path:
    """Return the temporary name of an earlier artifact while this thread replaces it."""
    return output.with_name(f".{output.name}.replaced.{os.getpid()}.{threading.get_ident()}")


class FolderLock:
    """Locks a folder for one writer until it is closed or the process ends, even by a kill.

    Raises:
        MmcliError: Another process has locked it.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        for _ in range(_TRIES):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(folder, os.O_RDONLY)
            except (FileNotFoundError, FileExistsError):
                if folder.exists() and not folder.is_dir():
                    raise
                continue  # it was published between the two calls: try again
            if not _lock(self._handle):
                os.close(self._handle)
                raise MmcliError(f"{output}: another mmcli is writing this output; wait for it or choose another -o")
            if _same_folder(self._handle, folder):
                return
            os.close(self._handle)  # it was published between opening and locking: try again
        raise MmcliError(f"{output}: cannot be written: cannot create a folder next to it")

    def close(self) -> None:
        """Release the lock."""
        os.close(self._handle)


def _lock(handle: int, *, wait: bool = False) -> bool:
    """Lock an open folder until its handle is closed; return False if it is locked elsewhere, unless told to wait."""
    if fcntl is None:  # pragma: no cover
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True


def is_locked(path: Path) -> bool:
    """Return whether a process is writing this folder."""
    if not path.is_dir():
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        return not _lock(handle)
    finally:
        os.close(handle)


def _same_folder(handle: int, folder: Path) -> bool:
    try:
        there = os.stat(folder)
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def publish(partial: Path, output: Path) -> None:
    """Move ``partial``, which the caller has locked, to ``output``, replacing an earlier folder there."""
    if not output.exists():
        os.rename(partial, output)
        return
    replaced = replaced_folder(output)
    earlier = os.open(output, os.O_RDONLY)
    try:
        # While the earlier artifact has the partial folder's name, no writer may take it for a partial folder. A writer
        # that opened it before it was published may hold its lock for a moment, until it notices.
        _lock(earlier, wait=True)
        if _exchange(partial, output):
            os.rename(partial, replaced)
        else:
            os.rename(output, replaced)
            os.rename(partial, output)
    finally:
        os.close(earlier)
    shutil.rmtree(replaced, ignore_errors=True)


def recover(output: Path) -> None:
    """Clean up after a kill during ``publish``: restore the earlier folder, or remove it.

    Call it only while holding the partial folder's lock.
    """
    for replaced in sorted(output.parent.glob(f".{glob.escape(output.name)}.replaced.*")):
        if output.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            os.rename(replaced, output)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically if the system supports it; return whether it did."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)
