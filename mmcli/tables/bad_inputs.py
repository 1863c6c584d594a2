"""Limits on bad inputs, and the check for the same content in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from mmcli.errors import MmcliError, TooManyBadError, UsageError
from mmcli.reporting import Reporter
from mmcli.store.columns import KEY_BYTES, Array, LedgerEntry
from mmcli.store.tensors import Shard
from mmcli.tables.config import OnError

_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit is lost
_PARTS = 16


class BadInputs:
    """Counts inputs that are corrupt, skipped or not found; empty cells do not count.

    Args:
        pairs: Number of inputs: (row, modality) pairs, or (row, column) pairs for tables.
        on_error: ``fail`` stops at the first bad input.
        max_errors: ``N`` or ``P%`` of the pairs; None allows any number.

    Raises:
        UsageError: ``max_errors`` is neither ``N`` nor ``P%``.
    """

    def __init__(self, pairs: int, on_error: OnError, max_errors: str | None) -> None:
        self.pairs = pairs
        self.on_error = on_error
        self.limit = None if max_errors is None else _parse_limit(max_errors, pairs)
        self.max_errors = max_errors
        self.count = 0
        self.rows: set[int] = set()
        self.reasons: Counter[str] = Counter()
        self.cells: Counter[str] = Counter()
        self.first: list[LedgerEntry] = []

    def accept(self, entry: LedgerEntry) -> None:
        """Count an entry of the ledger.

        Raises:
            MmcliError: ``on_error`` is ``fail``.
        """
        if not is_bad(entry):
            return
        if self.on_error == "fail":
            raise MmcliError(f"sample {entry.id!r}, {entry.modality}: {describe(entry)} (--on-error keep goes on)")
        if entry.column is not None:
            self.cells[entry.reason] += 1
        self.count += 1
        self.rows.add(entry.row)
        self.reasons[f"{entry.modality}: {entry.reason}"] += 1
        if len(self.first) < 3:
            self.first.append(entry)

    def check(self) -> None:
        """Check the count against the limit.

        Raises:
            TooManyBadError: More inputs are bad than allowed.
        """
        if self.limit is not None and self.count > self.limit:
            shown = "; ".join(f"{entry.id} {entry.modality}: {describe(entry)}" for entry in self.first)
            reasons = ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common())
            raise TooManyBadError(
                f"{self.count} of {self.pairs} inputs are bad, but --max-errors allows {self.max_errors} ({reasons}); "
                f"the first: {shown}; nothing was written (mmcli check --all --json lists them all)"
            )


def is_bad(entry: LedgerEntry) -> bool:
    """Return whether an input is corrupt, skipped or not found; an empty cell is not bad."""
    return entry.path is not None or entry.status != "missing"


def describe(entry: LedgerEntry) -> str:
    """Return what is wrong with an input, with its path if it has one."""
    return f"{entry.reason} ({entry.path})" if entry.path else entry.reason


def _parse_limit(text: str, pairs: int) -> Fraction:
    try:
        limit = Fraction(text.removesuffix("%")) / 100 * pairs if text.endswith("%") else Fraction(int(text))
    except (ValueError, ZeroDivisionError):
        limit = Fraction(-1)
    if limit < 0:
        raise UsageError(f"--max-errors {text}: expected a count such as 20, or a percentage such as 0.5%")
    return limit


def check_leaks(
    folder: Path,
    modalities: Sequence[str],
    splits: Array,
    on_leak: Literal["warn", "error"],
    reporter: Reporter,
) -> int:
    """Find content that is in two splits and return how many samples share it.

    A file in two splits is a leak, and so are two rows in which every input is equal. Equal text, numbers or
    categories alone are not.

    Args:
        folder: An artifact's folder with its shards.
        modalities: The modalities whose content is a file.
        splits: The split of each row, (N,).
        on_leak: ``error`` refuses leaks.
        reporter: Receives the warning.

    Raises:
        MmcliError: There are leaks and ``on_leak`` is ``error``.
    """
    shards = sorted((folder / "tensors").glob("*.safetensors"))
    names = sorted(Shard(shards[0]).modalities()) if shards else []
    found: dict[str, int] = {}
    leaking, every = np.zeros(len(splits), bool), np.zeros(len(splits), np.uint64)
    keys = every if len(names) == 1 else np.empty(len(splits), np.uint64)
    for name in names:
        _read_keys(shards, name, keys)
        if keys is not every:
            every *= _MIX
            every += keys
        if name in modalities:
            _count_leaks(name, keys, splits, found, leaking)
    if len(names) > 1 or not found:
        _count_leaks("every input", every, splits, found, leaking)
    if leaking.any():
        told = ", ".join(f"{name} {count}" for name, count in found.items() if count)
        message = f"{int(leaking.sum())} samples have the same content as a sample of another split ({told})"
        if on_leak == "error":
            raise MmcliError(f"{message}; put them in one split, for example with --group-by")
        reporter.warn(f"{message}: test results will look better than they are")
    return int(leaking.sum())


def _read_keys(shards: Sequence[Path], name: str, keys: Array) -> None:
    start = 0
    for path in shards:
        here = _short(Shard(path).keys(name))
        keys[start : start + len(here)] = here
        start += len(here)


def _count_leaks(what: str, keys: Array, splits: Array, found: dict[str, int], leaking: Array) -> None:
    of_two = _in_two_splits(keys, splits)
    found[what] = int(of_two.sum())
    leaking |= of_two


def _short(keys: Array) -> Array:
    """Return the first half of each key, (N,) uint64, enough to distinguish a billion items; zero means absent."""
    return np.ascontiguousarray(keys[:, : KEY_BYTES // 2]).view(np.uint64).ravel()


def _in_two_splits(keys: Array, splits: Array) -> Array:
    """Return which rows have a nonzero key that is in two splits, (N,) bool, working on a part of the keys at a time.

    Sorting puts rows with one key next to each other, so a key in two splits has neighbours of different splits.
    """
    found = np.zeros(len(keys), bool)
    part_of = keys.view(np.uint8)[:: keys.itemsize] % _PARTS
    for part in range(_PARTS):
        rows = np.flatnonzero(part_of == part)
        rows = rows[np.argsort(keys[rows])]
        together, of_split = keys[rows], splits[rows]
        mixed = together[1:][(together[1:] == together[:-1]) & (of_split[1:] != of_split[:-1]) & (together[1:] != 0)]
        found[rows] = np.isin(together, mixed)
    return found
