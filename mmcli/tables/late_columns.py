"""Columns that the first rows of a table lack, as rows of JSON may."""

from __future__ import annotations

from collections.abc import Sequence

from mmcli.errors import MmcliError
from mmcli.store.artifact import Roles
from mmcli.store.columns import Row
from mmcli.tables.kinds import SAMPLE


class LateColumns:
    """Finds them, and keeps rows that tell their kinds.

    Args:
        known: The columns of the first rows.
        roles: Whose columns may not come late where they were not named.
        looks: Whether rows may have other columns at all.

    Attributes:
        columns: Those found, in order.
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
            MmcliError: It has an id or a split where earlier rows have none, and these were made.
        """
        if not self._looks or row.keys() <= self._known:
            return
        for column in self._own & row.keys():
            raise MmcliError(
                f"{where}: has {column!r}, which the rows before it lack; give it to all rows, or name the column with "
                f"--{'split' if column.endswith('split') else 'id'}"
            )
        new = row.keys() - self._known - set(self.columns)
        self.columns += [column for column in row if column in new]
        if len(self.rows) < SAMPLE:
            self.rows.append(row)
