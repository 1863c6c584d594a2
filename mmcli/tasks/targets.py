"""Finds the target of a row: its columns and its value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mmcli.errors import MmcliError, UsageError
from mmcli.store.artifact import Roles
from mmcli.store.labels import class_name
from mmcli.tasks import number_of, says_nothing
from mmcli.tasks.abilities import HasParts, HasPositive, ReadsNumbers, parts_of

if TYPE_CHECKING:
    from mmcli.tasks import Task

_SHOWN = 40  # characters of a value in a message


def target_columns(asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the distinct target columns."""
    return tuple(dict.fromkeys([asked] if isinstance(asked, str) else asked or ()))


def target_role(columns: Sequence[str]) -> str | list[str] | None:
    """Return target columns as stored in headers: one, a list of several, or None."""
    return (columns[0] if len(columns) == 1 else list(columns)) if columns else None


def told_targets(columns: Sequence[str]) -> str:
    """Return the beginning of a sentence about a row's target."""
    names = ", ".join(map(repr, columns))
    return f"its target (column {names}) is" if len(columns) == 1 else f"its targets (columns {names}) are all"


@dataclass(frozen=True)
class TargetSource:
    """Finds the target of each row.

    Args:
        kind: The task's target source: a ``column`` or several, the row's ``group``, or an ``optional`` column.
        roles: The columns.
        name: Name of the source, for messages.
        named: Whether the user named the columns, which must then exist.
        numeric: The numeric columns, in which ``NA`` is an empty cell.
        continuous: The columns in which any cell that is not a number counts as empty.
        empties: Whether a row whose cells are all empty still has a target.
    """

    kind: Literal["column", "group", "optional"]
    roles: Roles
    name: str
    named: bool = False
    numeric: Collection[str] = ()
    continuous: Collection[str] = ()
    empties: bool = False

    def is_in(self, row: Mapping[str, Any]) -> bool:
        """Return whether the row has its columns."""
        return all(column in row for column in self.roles.targets)

    def of(self, row: Mapping[str, Any]) -> Any:
        """Return a cell, the cells of several columns by name, the group or else the id; None if it is empty.

        Raises:
            MmcliError: There is no such column.
        """
        if self.kind == "group":
            group = None if self.roles.group is None else row.get(self.roles.group)
            return f"id {row.get(self.roles.id)}" if is_empty(group) else f"group {group}"
        for column in self.roles.targets:
            if column not in row and (self.kind == "column" or self.named):
                raise MmcliError(
                    f"{self.name}: no column {column!r} for the target (columns: {', '.join(map(str, row))})"
                )
        return self.blanked({column: row.get(column) for column in self.roles.targets})

    def blanked(self, cells: Mapping[str, Any]) -> Any:
        """Return the target that these cells by column form."""
        found = {
            column: None
            if is_empty(cell)
            or (column in self.numeric and says_nothing(cell))
            or (column in self.continuous and number_of(cell) is None)
            else cell
            for column, cell in cells.items()
        }
        if len(found) == 1:
            return next(iter(found.values()))
        return found if self.empties or any(cell is not None for cell in found.values()) else None


def odd_cells(continuous: Collection[str], cells: Mapping[str, Any]) -> list[str]:
    """Return the cells of numeric columns that are not numbers."""
    found = [cells.get(column) for column in continuous]
    return [str(cell) for cell in found if not (is_empty(cell) or says_nothing(cell)) and number_of(cell) is None]


def told_counts(counts: Counter[str], most: int = 5) -> str:
    """Return values and their counts for a message, the most frequent first."""
    shown = ", ".join(f"{name[:_SHOWN]!r} × {count}" for name, count in counts.most_common(most))
    return shown + (" …" if len(counts) > most else "")


def is_empty(cell: Any) -> bool:
    """Return whether a cell is empty, whatever its column."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def number_columns(task: Task, columns: Sequence[str]) -> frozenset[str]:
    """Return the columns that a task reads as numbers."""
    parts = parts_of(task, columns).items()
    return frozenset(column for column, part in parts if isinstance(part, ReadsNumbers) and part.reads_numbers)


def continuous_columns(task: Task, columns: Sequence[str]) -> frozenset[str]:
    """Return the columns that a task learns as numbers, not as classes."""
    return frozenset(column for column, part in parts_of(task, columns).items() if part.link == "identity")


def unknown_classes(task: Task, target: Any) -> list[str]:
    """Return the unseen classes of a target."""
    if isinstance(task, HasParts):
        return task.unknown(target)
    return [] if task.known(target) else [str(shown_target(task, target))]


def shown_target(task: Task, target: Any) -> Any:
    """Return a target as shown in answers: a class stripped of white space, the number of a numeric text."""
    if isinstance(task, HasParts) and isinstance(target, dict):
        return {column: shown_target(task.parts[column], cell) for column, cell in target.items()}
    if not isinstance(target, str) or not isinstance(task, ReadsNumbers):
        return target
    return task.decode(task.encode([target]))[0] if task.known(target) else class_name(target)


def take_positives(task: Task, asked: Sequence[str], columns: Sequence[str] = ()) -> None:
    """Set the positive class of a task with two classes; with several targets it is TARGET=LABEL.

    Raises:
        UsageError: The task does not have two classes, the label is not one of them, or a target gets two labels.
    """
    parts = parts_of(task)
    chosen: dict[str, str] = {}
    for text in asked:
        column, label = "", text
        if "" not in parts:
            named = [name for name in parts if text.startswith(f"{name}=")]
            if not named:
                raise UsageError(f"--positive {text}: expected TARGET=LABEL for one of {', '.join(parts)}")
            column = max(named, key=len)
            label = text[len(column) + 1 :]
        elif columns and text.startswith(f"{columns[0]}=") and not task.known(text):
            label = text[len(columns[0]) + 1 :]
        if column in chosen:
            raise UsageError(f"--positive {text}: {chosen[column]} was already given; a target has one positive class")
        part = parts[column]
        if not isinstance(part, HasPositive):
            raise UsageError(f"--positive {text}: expected a classification task with two classes")
        try:
            part.take_positive(label)
        except UsageError as error:
            raise UsageError(f"--positive {text}: {error}") from None
        chosen[column] = label


def take_same_positives(task: Task, other: Task) -> None:
    """Give a task the positive classes of another task with the same targets."""
    others = parts_of(other)
    for column, part in parts_of(task).items():
        own, label = others[column], None
        if isinstance(own, HasPositive):
            label = own.positive
        if label is not None and isinstance(part, HasPositive) and part.positive is not None and part.known(label):
            part.take_positive(label)


def positives_of(task: Task) -> dict[str, Any]:
    """Return ``positive``: the positive class of a task with two classes, or by column for several targets."""
    if not isinstance(task, HasParts):
        found = task.positive if isinstance(task, HasPositive) else None
        return {} if found is None else {"positive": found}
    named = {column: positives_of(part)["positive"] for column, part in task.parts.items() if positives_of(part)}
    return {"positive": named} if named else {}
