"""Groups of rows that must stay in one split, whether mmcli or the table makes the splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from mmcli.errors import MmcliError
from mmcli.reporting import Reporter
from mmcli.store.samples import SPLITS
from mmcli.store.splitting import fraction

_FEW = 1000
_SHOWN = 3


class GroupSplits:
    """The splits in which each group has rows.

    Args:
        column: The column of groups.
        made: Whether mmcli made the splits by group, so that no group can span several.
    """

    def __init__(self, column: str, made: bool) -> None:
        self.column = column
        self._made = made
        self._splits: dict[str, int] = {}
        self._alone: Counter[str] = Counter()

    def add(self, group: str | None, split: str) -> None:
        """Add a row; a row without a group is a group of its own."""
        if group is None:
            self._alone[split] += 1
        elif not self._made or len(self._splits) <= _FEW:
            self._splits[group] = self._splits.get(group, 0) | 1 << SPLITS.index(split)

    def torn(self) -> list[str]:
        """Return the groups with rows in several splits, sorted."""
        return sorted(group for group, splits in self._splits.items() if splits & (splits - 1))

    def moves(self, wanted: Mapping[str, float], seed: int) -> dict[str, str]:
        """Return the groups to move so that every wanted split gets one, if there are so few that one split has none.

        Groups are taken by hash from the split with the most groups; a split with only one group keeps it.
        """
        if self._alone or len(self._splits) > _FEW:
            return {}
        split_of = {group: SPLITS[splits.bit_length() - 1] for group, splits in self._splits.items()}
        moved: dict[str, str] = {}
        for empty in ("train", "test", "val"):
            if not wanted.get(empty) or empty in split_of.values():
                continue
            counts = Counter(split_of.values())
            giver = max(counts, key=lambda split: (counts[split], split == "train"))
            if counts[giver] < 2:
                break
            own = [group for group, split in split_of.items() if split == giver]
            chosen = min(own, key=lambda group: (fraction(f"{empty} {group}", seed), group))
            split_of[chosen] = moved[chosen] = empty
        return moved

    def __len__(self) -> int:
        return len(self._splits) + self._alone.total()


def tell_torn_groups(groups: GroupSplits | None, on_leak: Literal["warn", "error"], reporter: Reporter) -> None:
    """Warn of groups with rows in several splits, which are a leak.

    Raises:
        MmcliError: There are such groups and ``on_leak`` is ``error``.
    """
    torn = [] if groups is None else groups.torn()
    if not torn or groups is None:
        return
    shown = ", ".join(torn[:_SHOWN]) + (", …" if len(torn) > _SHOWN else "")
    message = f"{len(torn)} of {len(groups)} groups of {groups.column!r} have rows in several splits ({shown})"
    if on_leak == "error":
        raise MmcliError(
            f"{message}; put each group in one split, or drop the split column and let --group-by make the splits"
        )
    reporter.warn(f"{message}: test results will look better than they are")
