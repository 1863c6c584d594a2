"""Detects values in new rows that are unlike the train rows: unseen categories, numbers far outside the range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FAR = 8.0  # standard deviations from the mean of the train rows
_FEW = 5
_SHOWN = 3


class Watch:
    """Counts, per column, all values and those unlike the train rows.

    Args:
        numeric: The numeric columns.
        categorical: The categorical columns.
    """

    def __init__(self, numeric: Sequence[str], categorical: Sequence[str]) -> None:
        self._columns = {"number": tuple(numeric), "category": tuple(categorical)}
        self._there = {kind: np.zeros(len(columns), np.int64) for kind, columns in self._columns.items()}
        self._strange: dict[str, list[Counter[str]]] = {
            kind: [Counter() for _ in columns] for kind, columns in self._columns.items()
        }

    def add_numbers(self, values: NDArray[np.float64], deviations: NDArray[np.float32]) -> None:
        """Check numbers (N, numeric), NaN if missing, given each one's distance from the mean in deviations."""
        self._there["number"] += (~np.isnan(values)).sum(axis=0)
        with np.errstate(invalid="ignore"):
            far = np.argwhere(np.abs(deviations) > _FAR)
        for row, place in far.tolist():
            self._note("number", place, f"{values[row, place]:g}")

    def add_category(self, place: int, value: str, known: bool) -> None:
        """Check one category."""
        self._there["category"][place] += 1
        if not known:
            self._note("category", place, value)

    def warnings(self) -> list[str]:
        """Return one sentence for each column most of whose values are unlike the train rows."""
        told = []
        for kind, what in (
            ("category", "were in no train row"),
            ("number", f"lie more than {_FAR:g} standard deviations from the mean of the train rows"),
        ):
            for column, there, strange in zip(
                self._columns[kind], self._there[kind].tolist(), self._strange[kind], strict=True
            ):
                count = strange.total()
                if there >= _FEW and 2 * count > there:
                    shown = ", ".join(repr(value) for value, _ in strange.most_common(_SHOWN))
                    told.append(
                        f"column {column!r}: {count} of {there} values {what} (such as {shown}); check the column's "
                        "spelling and units"
                    )
        return told

    def _note(self, kind: str, place: int, value: str) -> None:
        strange = self._strange[kind][place]
        if len(strange) < 1000 or value in strange:
            strange[value] += 1
        else:
            strange[next(iter(strange))] += 1  # counted, though under another name
