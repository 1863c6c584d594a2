"""What can go wrong, and the exit code that each kind of failure has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

_SHOWN = 60
_EXTRAS = {"transformers": "text", "timm": "vision", "faiss": "faiss", "openpyxl": "excel"}
"""The extra of this package that brings another one."""
Status = Literal["ok", "missing", "corrupt", "skipped"]


class MmcliError(Exception):
    """An expected failure (data, file, missing package): one line for the user, exit code 1."""

    exit_code = 1


class UsageError(MmcliError):
    """The command line contradicts itself or its grammar, or names what does not exist: exit code 2."""

    exit_code = 2


class TooManyBadError(MmcliError):
    """More bad samples than ``--max-errors`` allows: exit code 3."""

    exit_code = 3


class DifferenceError(MmcliError):
    """A verification found bytes that are not those recorded: exit code 4."""

    exit_code = 4


class StoppedError(MmcliError):
    """The user stopped the run, and what was done so far has been kept: exit code 130."""

    exit_code = 130


class UnusableError(Exception):
    """One input of one sample cannot be used; it becomes a line of the ledger, never a failure of the run.

    Args:
        status: ``missing`` (it is not there), ``corrupt`` (it is there and cannot be read) or ``skipped``
            (it could be read, and a limit or option says not to).
        reason: What a person needs to know, in a few words, without the path.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status
        self.reason = reason


class AbsentError(UnusableError):
    """An input is there and whole, and has nothing of a modality, as a film without sound has: no bad input.

    Args:
        reason: What it lacks, in a few words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("missing", reason)


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that does not exist: the nearest one that does, and those there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:_SHOWN]) or "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return UsageError(f"unknown {what} {name!r}{hint} (there are: {shown}{more})")


def missing_package(what: str, package: str) -> MmcliError:
    """Return the error for something that needs a package which is not installed: how to install it."""
    extra = _EXTRAS.get(package.partition(".")[0])
    install = f"'mmcli[{extra}]'" if extra else package
    return MmcliError(f"{what} needs the package {package!r}: pip install {install}")
