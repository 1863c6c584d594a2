"""Checks each row of a raw table and assigns its split."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.artifact import Roles
from mmcli.store.columns import Array, Row
from mmcli.store.labels import class_name
from mmcli.store.samples import SPLITS
from mmcli.store.sources.blocks import Block
from mmcli.store.splitting import Splitter, known_split
from mmcli.store.string_rows import StringRows
from mmcli.tables.groups import GroupSplits
from mmcli.tables.target_intake import refuse_empty
from mmcli.tables.target_survey import TargetSurvey
from mmcli.tasks.targets import is_empty


@dataclass
class RowChecks:
    """Checks every row once, in order.

    Ids are compared by 8-byte hashes, so that a million of them take 8 MB.

    Args:
        roles: The columns of ids, splits, targets and groups.
        has_ids: Whether the table has the column of ids; otherwise rows are numbered.
        stratify: The column whose classes keep their proportions in every split.
        splitter: Makes the splits; without it they come from the table.
        groups: Records the splits of each group.
        surveys: Count the cells of each target.
    """

    roles: Roles
    has_ids: bool
    stratify: str | None
    splitter: Splitter | None
    groups: GroupSplits | None
    surveys: Sequence[TargetSurvey]
    _hashes: array[int] = field(default_factory=lambda: array("q"))
    _codes: array[int] = field(default_factory=lambda: array("B"))

    @property
    def hashes(self) -> Array:
        """A hash of each id, (N,)."""
        return np.frombuffer(self._hashes, np.int64)

    @property
    def split_of(self) -> Array:
        """The split of each row, (N,) indexes into ``SPLITS``."""
        return np.frombuffer(self._codes, np.uint8)

    def check(self, where: str, row: Row) -> tuple[str, str]:
        """Return the id of the next row and its split.

        Raises:
            MmcliError: It has no id, no split or no target.
        """
        roles = self.roles
        identity = stripped(row.get(roles.id)) if self.has_ids else str(len(self._codes))
        if not identity or not _is_text(identity):
            raise MmcliError(f"{where}: the id (column {roles.id!r}) is {'not valid Unicode' if identity else 'empty'}")
        group = None if roles.group is None else stripped(row.get(roles.group)) or None
        if self.splitter is not None:
            stratum = None
            if self.stratify is not None:
                stratum = class_name(row.get(self.stratify)) or stripped(row.get(self.stratify))
            split = self.splitter.assign(identity, group, stratum)
        else:
            split = known_split(row.get(roles.split), f"{where}, column {roles.split!r}")
        if self.groups is not None:
            self.groups.add(group, split)
        for survey in self.surveys:
            survey.add(row.get(survey.column), split == "train")
        if split != "test":
            refuse_empty(row, where, identity, split, roles)
        self._hashes.append(hash(identity))
        self._codes.append(SPLITS.index(split))
        return identity, split

    def check_block(self, block: Block) -> None:
        """Check the next rows, one by one only if something may be wrong or their order matters.

        Raises:
            MmcliError: As in ``check``.
        """
        if not self._checked_at_once(block.rows):
            for where, row in block.placed():
                self.check(where, row)

    def _checked_at_once(self, rows: StringRows) -> bool:
        if self.stratify is not None or self.groups is not None:
            return False
        begins = len(self._codes)
        if self.has_ids:
            ids = [cell.strip() for cell in rows.cells(self.roles.id)]
        else:
            ids = [str(number) for number in range(begins, begins + len(rows))]
        codes = self.splitter.assign_all(ids) if self.splitter is not None else self._known_splits(rows)
        if codes is None or not all(ids):
            return False
        targets = {survey.column: rows.cells(survey.column) for survey in self.surveys}
        if targets and self.roles.empty_target == "error":
            empty = np.all([[is_empty(cell) for cell in cells] for cells in targets.values()], axis=0)
            if (empty & (codes != SPLITS.index("test"))).any():
                return False
        is_train = (codes == SPLITS.index("train")).tolist()
        for survey in self.surveys:
            survey.add_all(targets[survey.column], is_train)
        self._hashes.extend(map(hash, ids))
        self._codes.frombytes(codes.tobytes())
        return True

    def _known_splits(self, rows: StringRows) -> Array | None:
        cells = rows.cells(self.roles.split)
        try:
            known = {cell: SPLITS.index(known_split(cell, "")) for cell in set(cells)}
        except MmcliError:
            return None
        return np.array([known[cell] for cell in cells], np.uint8)


def stripped(cell: object) -> str:
    """Return the text of a cell without surrounding white space; empty if there is none."""
    return "" if cell is None or cell != cell else str(cell).strip()


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)
