"""The kinds of failures and their exit codes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

_SHOWN = 60
_EXTRAS = {
    "transformers": "text", "timm": "vision", "faiss": "faiss", "openpyxl": "excel", "captum": "explain",
    "umap": "umap",
}  # fmt: skip
"""The extra of this package that installs another package."""
Status = Literal["ok", "missing", "corrupt", "skipped"]


class MmcliError(Exception):
    """An expected failure (data, file, missing package): one line for the user, exit code 1."""

    exit_code = 1

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines = [text]
        """What is printed: one line each."""


class UsageError(MmcliError):
    """The command line is invalid, contradicts itself, or names something that does not exist: exit code 2."""

    exit_code = 2


class TooManyBadError(MmcliError):
    """More bad samples than ``--max-errors`` allows: exit code 3."""

    exit_code = 3


class DifferenceError(MmcliError):
    """A verification found bytes that differ from those recorded: exit code 4."""

    exit_code = 4


class GateError(MmcliError):
    """Figures are not as good as ``--fail-if`` demands, a line for each: exit code 5."""

    exit_code = 5

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__("; ".join(failures))
        self.lines = list(failures)


class StoppedError(MmcliError):
    """The user stopped the run, and finished work has been kept: exit code 130."""

    exit_code = 130


class UnusableError(Exception):
    """One input of one sample cannot be used; it becomes a ledger entry, never a failure of the run.

    Args:
        status: ``missing`` (it does not exist), ``corrupt`` (it exists but cannot be read) or ``skipped`` (a limit or
            option forbids reading it).
        reason: The reason in a few words, without the path.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status
        self.reason = reason


class AbsentError(UnusableError):
    """An intact input has no content of a modality, such as a film without sound; it is not a bad input.

    Args:
        reason: What is missing, in a few words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("missing", reason)


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown name, with the closest known one and a list of those that exist."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:_SHOWN]) or "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return UsageError(f"unknown {what} {name!r}{hint} (available: {shown}{more})")


def missing_package(what: str, package: str) -> MmcliError:
    """Return the error for a package that is not installed, with the command to install it."""
    extra = _EXTRAS.get(package.partition(".")[0])
    install = f"'mmcli[{extra}]'" if extra else package
    return MmcliError(f"{what} needs the package {package!r}: pip install {install}")
