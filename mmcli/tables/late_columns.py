"""Columns that first appear in later rows, as they may in JSON."""

from __future__ import annotations

from collections.abc import Sequence

from mmcli.errors import MmcliError
from mmcli.store.artifact import Roles
from mmcli.store.columns import Row
from mmcli.tables.kinds import SAMPLE


class LateColumns:
    """Finds such columns and keeps rows from which their kinds are inferred.

    Args:
        known: The columns of the first rows.
        roles: Unless named, its id and split columns may not appear late.
        looks: Whether rows can have other columns at all.

    Attributes:
        columns: The columns found, in order.
        rows: The first rows that have any of them.
    """

    def __init__(self, known: Sequence[str], roles: Roles, looks: bool) -> None:
        self._known = {*known}
        self._own = {roles.id, roles.split} - self._known
        self._looks = looks
        self.columns: list[str] = []
        self.rows: list[Row] = []

    def look(self, row: Row, where: str) -> None:
        """Look at one row.

        Raises:
            MmcliError: It has an id or a split, but those of earlier rows had to be generated.
        """
        if not self._looks or row.keys() <= self._known:
            return
        for column in self._own & row.keys():
            raise MmcliError(
                f"{where}: has a column {column!r}, which earlier rows lack; add it to all rows, or name it with "
                f"--{'split' if column.endswith('split') else 'id'}"
            )
        new = row.keys() - self._known - set(self.columns)
        self.columns += [column for column in row if column in new]
        if len(self.rows) < SAMPLE:
            self.rows.append(row)
