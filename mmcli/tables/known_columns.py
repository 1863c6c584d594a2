"""Compares the columns of raw rows with those that a model uses."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mmcli.chain.chain import Chain
from mmcli.errors import MmcliError
from mmcli.reporting import Reporter
from mmcli.store.columns import FUSED, Row


class KnownColumns:
    """The columns that a model uses, and which of them the rows have.

    Args:
        chain: The model's chain.
        used: The source modalities that the model learnt from.
        name: The name of the rows in messages.
        fixed: The columns of every row; None if rows may differ.

    Raises:
        MmcliError: The rows have none of them.
    """

    def __init__(self, chain: Chain, used: Collection[str], name: str, fixed: Sequence[str] | None) -> None:
        self.name = name
        self._of = {
            source: columns
            for source, columns in chain.raw_columns().items()
            if columns and (source in used or FUSED in used)
        }
        self._known = {column for columns in self._of.values() for column in columns}
        self._fixed = fixed is not None
        self._seen = set(fixed or ())
        if self._fixed:
            self._check()

    @property
    def any(self) -> bool:
        """Whether some row had one of them, or none is needed."""
        return not self._known or bool(self._known & self._seen)

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        if not self._fixed:
            self._seen.update(*rows)

    def warn_where_fixed(self, reporter: Reporter) -> None:
        """Warn of missing columns if they are known before the rows are read."""
        if self._fixed:
            self._warn(reporter)

    def warn(self, reporter: Reporter) -> None:
        """Warn of missing columns if all rows had to be read to know them.

        Raises:
            MmcliError: The rows had none of them.
        """
        if not self._fixed and self._seen:
            self._check()
            self._warn(reporter)

    def _check(self) -> None:
        if not self.any:
            raise MmcliError(
                f"{self.name}: none of the columns that the model uses ({', '.join(sorted(self._known))}); found "
                f"{', '.join(sorted(self._seen))}"
            )

    def _warn(self, reporter: Reporter) -> None:
        lacking = sorted(name for name, columns in self._of.items() if not self._seen & set(columns))
        absent = sorted(self._known - self._seen)
        if absent:
            reporter.warn(
                f"{self.name}: no column {', '.join(absent)}: treated as missing in every row "
                f"({', '.join(lacking) or 'in part'})"
            )
