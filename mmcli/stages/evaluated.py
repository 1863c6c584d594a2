"""The results of evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmcli.errors import GateError
from mmcli.evaluation.gates import Judged


@dataclass(frozen=True)
class Judgeable:
    """A result with gates.

    Args:
        output: The folder written, if any.
        judged: What became of the gates.
    """

    output: str | None
    judged: Sequence[Judged]

    @property
    def failure(self) -> GateError | None:
        """The gates that failed, if any did."""
        failed = [each.message for each in self.judged if each.failed]
        return GateError(failed) if failed else None


@dataclass(frozen=True)
class Report(Judgeable):
    """The evaluation of a model.

    Args:
        metrics: The content of ``metrics.json``.
        tables: The further files of the report by name, such as ``confusion``.
    """

    metrics: dict[str, Any]
    tables: dict[str, Any]


@dataclass(frozen=True)
class ModelsReport(Judgeable):
    """The comparison of several models.

    Args:
        found: The content of ``comparison.json``.
    """

    found: dict[str, Any]
