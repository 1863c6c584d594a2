"""Counts the cells of a target column: whether they are numbers or classes, and which of them look wrong."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import compress
from math import isfinite
from typing import Any

from mmcli.store.cells import advice
from mmcli.store.labels import class_name, listed
from mmcli.tables.kinds import numbers_in_disguise
from mmcli.tasks import MOST, has_many, number_of, says_nothing
from mmcli.tasks.targets import is_empty, told_counts

_MOST_KEPT = 20_000
"""Maximum number of distinct cells kept; beyond it, numbers are only counted."""
_MANY_CLASSES = 0.5
"""More classes than this fraction of the rows are nearly one class per row."""
_FEWEST_ROWS = 20
_WORDS = 3
"""A cell with at least this many words is a text."""
_PARTED = re.compile(r"\w\s*[|;]\s*\w")
_SHOWN = 40  # characters of a cell in a message
_NEVER_A_CLASS = frozenset({"na", "n/a", "#n/a", "<na>", "nan", "null", "-", "?"})
_OF_PYTHON = "None"  # lower-case none may be a class, as in none, mild, severe


class TargetSurvey:
    """Counts the cells of one column; only train rows decide its type.

    Args:
        column: The name of the column.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        self.empty = 0
        self._every: Counter[str] = Counter()
        self._train: Counter[str] = Counter()
        self._more_numbers = 0

    @classmethod
    def of(cls, column: str, targets: Iterable[Any]) -> TargetSurvey:
        """Return the survey of the targets of train rows."""
        survey = cls(column)
        for target in targets:
            survey.add(target, True)
        return survey

    def add(self, cell: Any, is_train: bool) -> None:
        """Count a cell; lists and objects are neither numbers nor classes."""
        if not isinstance(cell, list | dict):
            self._count(cell, 1, int(is_train))

    def add_all(self, cells: Sequence[str], is_train: Sequence[bool]) -> None:
        """Count many cells."""
        train = Counter(compress(cells, is_train))
        for cell, count in Counter(cells).items():
            self._count(cell, count, train[cell])

    def _count(self, cell: Any, count: int, train: int) -> None:
        if is_empty(cell):
            self.empty += count
            return
        text = cell if isinstance(cell, str) else str(cell)
        if text not in self._every and len(self._every) >= _MOST_KEPT and _is_plain_number(text):
            self._more_numbers += train
            return
        self._every[text] += count
        if train:
            self._train[text] += train

    @cached_property
    def numeric(self) -> bool:
        """Whether at least nine in ten non-empty cells are numbers, so that ``NA`` counts as empty."""
        told = self._more_numbers + sum(count for cell, count in self._train.items() if not says_nothing(cell))
        return self._numbers > 0 and self._numbers >= MOST * told

    @cached_property
    def continuous(self) -> bool:
        """Whether the numbers are not class labels, so that any other cell counts as no target."""
        return self.numeric and (bool(self._more_numbers) or has_many(self._values, self._numbers))

    @cached_property
    def _values(self) -> set[float]:
        return {number for cell in self._train if (number := number_of(cell)) is not None}

    @cached_property
    def _numbers(self) -> int:
        return self._more_numbers + sum(count for cell, count in self._train.items() if number_of(cell) is not None)

    @cached_property
    def odd(self) -> Counter[str]:
        """The cells of a numeric column that are neither numbers nor markers of a missing value, such as ``NA``."""
        if not self.numeric:
            return Counter()
        return Counter(
            {cell: n for cell, n in self._every.items() if number_of(cell) is None and not says_nothing(cell)}
        )

    @cached_property
    def is_doubtful(self) -> bool:
        """Whether rows with a non-empty cell may lack a target."""
        return self.numeric and any(self.lacks(cell) for cell in self._every)

    def lacks(self, cell: Any) -> bool:
        """Return whether a row with this cell has no target in this column."""
        if is_empty(cell):
            return True
        return self.numeric and (says_nothing(cell) or (self.continuous and number_of(cell) is None))

    @property
    def lacking(self) -> Counter[str]:
        """The non-empty cells that are not a target."""
        return Counter({cell: count for cell, count in self._every.items() if self.lacks(cell)})

    def why(self, cell: Any) -> str:
        """Return why a cell is not a target."""
        if is_empty(cell):
            return "empty"
        if says_nothing(cell):
            return f"{cell!r}, which marks a missing value"
        advised = advice(cell)
        return f"{str(cell)[:_SHOWN]!r}, not a number like others" + ("" if advised is None else f" ({advised})")

    def warnings(self) -> list[str]:
        """Return the warnings about the column, one line each."""
        found = [*self._disguised(), *self._written_otherwise(), *self._alike(), *self._nearly_all_different()]
        if self.odd and not self.continuous:
            found.append(f"numbers except {told_counts(self.odd)}: these become classes of their own")
        if not self.numeric:
            nothing = Counter({c: n for c, n in self._every.items() if _says_nothing_in_words(c)})
            if nothing:
                found.append(
                    f"{told_counts(nothing)}: read as classes of their own; leave cells without a target empty"
                )
        return [f"target {self.column!r}: {text}" for text in found]

    def _disguised(self) -> list[str]:
        disguised = None if self.numeric else numbers_in_disguise(list(self._every))
        if disguised is None:
            return []
        return [f"not read as numbers because of cells such as {disguised[0]!r}; {disguised[1]}"]

    def _written_otherwise(self) -> list[str]:
        if self.numeric:
            return []
        spaced = Counter({cell: n for cell, n in self._every.items() if cell != cell.strip()})
        formed = Counter({cell: n for cell, n in self._every.items() if not unicodedata.is_normalized("NFC", cell)})
        found = []
        if spaced:
            found.append(f"white space around the class in {spaced.total()} cells is ignored ({told_counts(spaced)})")
        if formed:
            found.append(f"{formed.total()} cells are normalised to Unicode NFC ({told_counts(formed)})")
        return found

    @cached_property
    def _classes(self) -> Counter[str]:
        classes: Counter[str] = Counter()
        for cell, count in self._every.items():
            classes[class_name(cell) or ""] += count
        return classes

    @cached_property
    def _are_texts(self) -> bool:
        """Whether cells hold texts or sets of labels rather than classes."""
        rows = self._every.total()
        texts = sum(count for cell, count in self._every.items() if len(cell.split()) >= _WORDS)
        sets = sum(count for cell, count in self._every.items() if listed(cell) is not None or _PARTED.search(cell))
        return texts > rows / 2 or sets > rows / 10

    def _alike(self) -> list[str]:
        if self.numeric or self._are_texts:
            return []
        groups: dict[str, Counter[str]] = {}
        for name, count in self._classes.items():
            groups.setdefault(" ".join(name.casefold().split()), Counter())[name] = count
        alike = [group for group in groups.values() if len(group) > 1]
        truth = Counter({name: self._classes[name] for name in ("true", "false", "1", "0") if name in self._classes})
        if truth.keys() & {"true", "false"} and truth.keys() & {"1", "0"}:
            return [f"true and false are different classes from 1 and 0 ({told_counts(truth)})"]
        if not alike:
            return []
        shown = "; ".join(map(told_counts, alike[:3])) + (" …" if len(alike) > 3 else "")
        return [f"classes that differ only in letter case or space are different classes ({shown})"]

    def _nearly_all_different(self) -> list[str]:
        rows = self._every.total()
        if self.numeric or self._are_texts or self._disguised():
            return []
        if rows < _FEWEST_ROWS or len(self._classes) <= _MANY_CLASSES * rows:
            return []
        words = Counter({cell: count for cell, count in self._every.items() if number_of(cell) is None})
        odd = f"; numbers except {told_counts(words)}" if 0 < words.total() < rows else ""
        return [f"{len(self._classes)} different values in {rows} rows: nearly one class per row{odd}"]


def _is_plain_number(text: str) -> bool:
    """Return whether a cell is certainly a number, a faster check than one for every notation."""
    try:
        return isfinite(float(text)) and text.isascii() and "_" not in text
    except ValueError:
        return False


def _says_nothing_in_words(cell: str) -> bool:
    """Return whether a cell in a column of words more likely marks a missing value than a class."""
    text = cell.strip()
    return text == _OF_PYTHON or text.lower() in _NEVER_A_CLASS
