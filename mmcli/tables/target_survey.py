"""What the cells of a target's column say, counted as rows go by: numbers or classes, and which of them are odd."""

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
"""Different cells that are kept; of more, numbers are counted alone."""
_MANY_CLASSES = 0.5
"""The share of rows that as many classes are nearly as many as rows."""
_FEWEST_ROWS = 20
_WORDS = 3
"""A cell of as many words or more is a text."""
_PARTED = re.compile(r"\w\s*[|;]\s*\w")
_SHOWN = 40  # characters of a cell in a message
_NEVER_A_CLASS = frozenset({"na", "n/a", "#n/a", "<na>", "nan", "null", "-", "?"})
_OF_PYTHON = "None"  # none in small letters is a class as good as any, such as none, mild, severe


class TargetSurvey:
    """Counts the cells of one column; what it decides is decided by the train rows alone.

    Args:
        column: Its name.
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
        """Whether nine in ten cells that say something are numbers, so that ``NA`` is an empty cell."""
        told = self._more_numbers + sum(count for cell, count in self._train.items() if not says_nothing(cell))
        return self._numbers > 0 and self._numbers >= MOST * told

    @cached_property
    def continuous(self) -> bool:
        """Whether it is one of numbers that are no classes, so that any other cell is one without a target."""
        return self.numeric and (bool(self._more_numbers) or has_many(self._values, self._numbers))

    @cached_property
    def _values(self) -> set[float]:
        return {number for cell in self._train if (number := number_of(cell)) is not None}

    @cached_property
    def _numbers(self) -> int:
        return self._more_numbers + sum(count for cell, count in self._train.items() if number_of(cell) is not None)

    @cached_property
    def odd(self) -> Counter[str]:
        """The cells of a column of numbers that are none, and do not say that there is none, as ``NA`` does."""
        if not self.numeric:
            return Counter()
        return Counter(
            {cell: n for cell, n in self._every.items() if number_of(cell) is None and not says_nothing(cell)}
        )

    @cached_property
    def is_doubtful(self) -> bool:
        """Whether there may be rows that lack a target though their cell is not empty."""
        return self.numeric and any(self.lacks(cell) for cell in self._every)

    def lacks(self, cell: Any) -> bool:
        """Return whether a row with this cell has no target in this column."""
        if is_empty(cell):
            return True
        return self.numeric and (says_nothing(cell) or (self.continuous and number_of(cell) is None))

    @property
    def lacking(self) -> Counter[str]:
        """The cells that are not empty and no target."""
        return Counter({cell: count for cell, count in self._every.items() if self.lacks(cell)})

    def why(self, cell: Any) -> str:
        """Return what a cell that lacks a target is."""
        if is_empty(cell):
            return "empty"
        if says_nothing(cell):
            return f"{cell!r}, which says that there is none"
        advised = advice(cell)
        return f"{str(cell)[:_SHOWN]!r}, no number as others are" + ("" if advised is None else f" ({advised})")

    def warnings(self) -> list[str]:
        """Return what a person should know of the column, one line each."""
        found = [*self._disguised(), *self._written_otherwise(), *self._alike(), *self._nearly_all_different()]
        if self.odd and not self.continuous:
            found.append(f"numbers but for {told_counts(self.odd)}: as classes these are some of their own")
        if not self.numeric:
            nothing = Counter({c: n for c, n in self._every.items() if _says_nothing_in_words(c)})
            if nothing:
                found.append(
                    f"{told_counts(nothing)}: as classes some of their own; leave cells without a target empty"
                )
        return [f"target {self.column!r}: {text}" for text in found]

    def _disguised(self) -> list[str]:
        disguised = None if self.numeric else numbers_in_disguise(list(self._every))
        return [] if disguised is None else [f"not read as numbers, for cells such as {disguised[0]!r}; {disguised[1]}"]

    def _written_otherwise(self) -> list[str]:
        if self.numeric:
            return []
        spaced = Counter({cell: n for cell, n in self._every.items() if cell != cell.strip()})
        formed = Counter({cell: n for cell, n in self._every.items() if not unicodedata.is_normalized("NFC", cell)})
        found = []
        if spaced:
            found.append(
                f"white space around the class in {spaced.total()} cells does not count ({told_counts(spaced)})"
            )
        if formed:
            found.append(f"letters of {formed.total()} cells are read in Unicode's form NFC ({told_counts(formed)})")
        return found

    @cached_property
    def _classes(self) -> Counter[str]:
        classes: Counter[str] = Counter()
        for cell, count in self._every.items():
            classes[class_name(cell) or ""] += count
        return classes

    @cached_property
    def _are_texts(self) -> bool:
        """Whether cells hold texts or sets of labels, no classes."""
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
            return [f"true and false are other classes than 1 and 0 ({told_counts(truth)})"]
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
        odd = f"; numbers but for {told_counts(words)}" if 0 < words.total() < rows else ""
        return [f"{len(self._classes)} different values in {rows} rows: as classes, nearly one for each row{odd}"]


def _is_plain_number(text: str) -> bool:
    """Return whether a cell surely is a number: sooner told than of every form that one may have."""
    try:
        return isfinite(float(text)) and text.isascii() and "_" not in text
    except ValueError:
        return False


def _says_nothing_in_words(cell: str) -> bool:
    """Return whether a cell among words is more likely an empty one than a class."""
    text = cell.strip()
    return text == _OF_PYTHON or text.lower() in _NEVER_A_CLASS
