"""The files that cells name: paths below a root, absolute paths, and fsspec URLs."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.near_paths import NearPaths
from mmcli.store.cells import cell_text
from mmcli.store.sources.members import Members, parse_member

NOT_FOUND = "file not found"
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_NO_PERMISSION = (errno.EACCES, errno.EPERM)


class MediaFolder:
    """Reads the files that cells name.

    Args:
        root: Where relative paths start: a folder, or an fsspec URL.
        confine: Refuse whatever lies outside the root, symbolic links followed.
        max_bytes: Refuse larger files.
        members_root: Where the files start that have media inside; None is the root.
        fix_paths: Where a file is not there, read the one whose path differs in its spelling alone.
    """

    def __init__(
        self,
        root: str,
        *,
        confine: bool = False,
        max_bytes: int = 2**30,
        fix_paths: bool = False,
        members_root: str | None = None,
    ) -> None:
        self.root = root
        self.confine = confine
        self.max_bytes = max_bytes
        self.fix_paths = fix_paths
        self.members_root = root if members_root is None else members_root
        self._near = NearPaths()
        self._members = Members()

    def limited(self, max_bytes: int, fix_paths: bool) -> MediaFolder:
        """Return the same folder with another limit, and paths fixed or not."""
        return MediaFolder(
            self.root, confine=self.confine, max_bytes=max_bytes, fix_paths=fix_paths, members_root=self.members_root
        )

    def read(self, path: str) -> bytes:
        """Return the bytes of a file.

        Args:
            path: Relative to the root, absolute, or a URL.

        Raises:
            UnusableError: ``missing`` where there is no such file, ``skipped`` where it is too large or outside
                the root, ``corrupt`` where it is empty, no regular file or cannot be read.
            MmcliError: A URL needs a package that is not installed.
        """
        member = parse_member(path)
        if member is not None:
            content = self._read_member(member)
        else:
            whole = path if "://" in path else os.path.join(self.root, path)
            content = self._read_url(whole) if _is_remote(whole) else self._read_near(path, _local(whole))
        if not content:
            raise UnusableError("corrupt", "0 bytes")
        if len(content) > self.max_bytes:
            raise self._too_large()
        return content

    def _read_member(self, member: re.Match[str]) -> bytes:
        """Read what lies inside another file."""
        path = os.path.join(_local(self.members_root), member["file"])
        if self.confine and "\0" not in path and not _is_below(path, self.members_root):
            raise UnusableError("skipped", "outside the media root")
        if not os.path.isfile(path):
            raise UnusableError("missing", f"{NOT_FOUND}: {member['file']}")
        return self._members.read(path, member, self.max_bytes)

    def _read_near(self, path: str, whole: str) -> bytes:
        """Read a file, or say which one is there whose path differs in its spelling alone, or read that."""
        try:
            return self._read_local(whole)
        except UnusableError as error:
            near = None if error.reason != NOT_FOUND else self._near.find(_local(self.root), path)
            if near is None:
                raise
            if not self.fix_paths:
                raise UnusableError(
                    "missing", f"{NOT_FOUND}; one is there whose path differs in {near[1]} (--fix-paths takes it)"
                ) from None
            return self._read_local(os.path.join(_local(self.root), near[0]))

    def _read_local(self, path: str) -> bytes:
        try:
            if self.confine and not self._is_inside(path):
                raise UnusableError("skipped", "outside the media root")
            with open(path, "rb", buffering=0, opener=_open_at_once) as file:
                state = os.fstat(file.fileno())
                if not stat.S_ISREG(state.st_mode):
                    raise UnusableError("corrupt", "not a regular file")
                if state.st_size > self.max_bytes:
                    raise self._too_large()
                return _read_at_most(file, self.max_bytes + 1)
        except OSError as error:
            raise _unusable(error) from None
        except ValueError:  # a zero byte in the path
            raise UnusableError("missing", NOT_FOUND) from None

    def _is_inside(self, path: str) -> bool:
        return not _is_remote(self.root) and _is_below(path, self.root)

    def _read_url(self, url: str) -> bytes:
        below = url.startswith(self.root.rstrip("/") + "/") and ".." not in unquote(url).split("/")
        if self.confine and ("::" in url or not below):  # one URL may hold another after two colons
            raise UnusableError("skipped", "outside the media root")
        import fsspec

        try:
            with fsspec.open(url, "rb", expand=False) as file:
                return _read_at_most(file, self.max_bytes + 1)
        except ImportError as error:
            raise MmcliError(f"{url}: {_first_line(error)}") from None
        except OSError as error:
            raise _unusable(error) from None
        except Exception as error:  # each file system has errors of its own
            raise UnusableError("corrupt", f"cannot be read: {_first_line(error)}") from None

    def _too_large(self) -> UnusableError:
        return UnusableError("skipped", f"larger than {self.max_bytes} bytes: --max-bytes")


def read_cell(row: Mapping[str, Any], column: str, media: Media) -> bytes | None:
    """Return the bytes of the file that a cell names; None where the cell is empty.

    Raises:
        UnusableError: The file cannot be had.
    """
    path = cell_text(row.get(column), column)
    return None if path is None else media.read(path)


def _is_remote(path: str) -> bool:
    return "://" in path and not path.startswith("file://")


def _local(path: str) -> str:
    return unquote(path.removeprefix("file://")) if path.startswith("file://") else path


def _is_below(path: str, root: str) -> bool:
    """Tell whether a file lies in a folder, symbolic links followed; one of a loop of links is where it says it is."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(_local(root)))


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for a pipe that nobody writes to."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _read_at_most(file: Any, limit: int) -> bytes:
    """Read to the end or the limit; a raw or remote file may return less than asked each time."""
    parts: list[bytes] = []
    left = limit
    while left > 0 and (part := file.read(min(left, 2**24))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _unusable(error: OSError) -> UnusableError:
    if error.errno in _NOT_THERE or isinstance(error, FileNotFoundError):
        return UnusableError("missing", NOT_FOUND)
    if error.errno in _NO_PERMISSION or isinstance(error, PermissionError):
        return UnusableError("corrupt", "no permission to read")
    if error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
        return UnusableError("corrupt", "not a regular file")
    return UnusableError("corrupt", f"cannot be read: {error.strerror or _first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
