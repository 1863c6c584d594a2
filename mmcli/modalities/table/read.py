"""Numeric cells to standardised numbers with flags for the missing, categorical cells to ids."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.store.cells import cell_number, cell_text
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

MISSING_ID, UNKNOWN_ID = 0, 1
_RESERVED = 2
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Preprocessor:
    """The cells of several columns: numbers with mean 0 and standard deviation 1 over the train rows, and categories.

    Args:
        columns: All of the columns, numeric ones first.
        numeric: The columns of numbers.
        categorical: The columns of categories.

    Raises:
        MmcliError: A column is both, or there is none.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = True
    threaded: ClassVar[bool] = False

    def __init__(self, columns: tuple[str, ...], *, numeric: tuple[str, ...], categorical: tuple[str, ...]) -> None:
        both = sorted(set(numeric) & set(categorical))
        if both:
            raise MmcliError(f"column {both[0]!r} is both numeric and categorical; name it as one")
        if not columns or tuple(columns) != (*numeric, *categorical):
            raise MmcliError(
                f"a table has its numeric columns, then its categorical ones, not {', '.join(columns) or 'none'}"
            )
        self.columns = tuple(columns)
        self.numeric = tuple(numeric)
        self.categorical = tuple(categorical)
        self._mean = np.zeros(len(numeric))
        self._std = np.ones(len(numeric))
        self._ids: list[dict[str, int]] = [{} for _ in categorical]

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the cells' values as JSON; None where every cell is empty.

        Raises:
            UnusableError: A numeric cell is no number, or a cell is not Unicode text.
        """
        numbers = [cell_number(row.get(column), column) for column in self.numeric]
        values = [*numbers, *(cell_text(row.get(column), column) for column in self.categorical)]
        if all(value is None for value in values):
            return None
        return _ENCODE(values).encode()

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the numbers and their missing flags (2 * numeric,), and the ids of the categories (categorical,).

        Raises:
            UnusableError: A number is so far from those of the train rows that float32 cannot hold it.
        """
        values = json.loads(content)
        count = len(self.numeric)
        missing = np.array([value is None for value in values[:count]], bool)
        numbers = np.where(missing, self._mean, np.array(values[:count], np.float64))
        with np.errstate(over="ignore"):
            standard = ((numbers - self._mean) / self._std).astype(np.float32)
        if not np.isfinite(standard).all():
            column = self.numeric[int(np.argmin(np.isfinite(standard)))]
            raise UnusableError("corrupt", f"column {column!r}: too far from the values of the train rows for float32")
        ids = [
            MISSING_ID if value is None else known.get(value, UNKNOWN_ID)
            for value, known in zip(values[count:], self._ids, strict=True)
        ]
        return {
            "": np.concatenate([standard, missing.astype(np.float32)]),
            "categories": np.array(ids, np.int32),
        }

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn each numeric column's mean and standard deviation, and each category's id, in one pass."""
        count = len(self.numeric)
        present, mean, squares = [0] * count, [0.0] * count, [0.0] * count
        categories: list[Counter[str]] = [Counter() for _ in self.categorical]
        for content in contents:
            values = json.loads(content)
            # Welford's update: exact for a constant column, where sums of squares are not.
            for place, value in enumerate(values[:count]):
                if value is not None:
                    present[place] += 1
                    before = value - mean[place]
                    mean[place] += before / present[place]
                    squares[place] += before * (value - mean[place])
            for counter, value in zip(categories, values[count:], strict=True):
                if value is not None:
                    counter[value] += 1
        self._mean = np.array(mean, np.float64)
        deviations = [
            math.sqrt(total / number) if number else 0.0 for total, number in zip(squares, present, strict=True)
        ]
        self._std = np.array([deviation or 1.0 for deviation in deviations], np.float64)
        self._number([[value for _, value in sorted((-n, value) for value, n in c.items())] for c in categories])

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the numbers and of the categories."""
        return {
            "": FieldSpec("dense", "float32", (2 * len(self.numeric),), "D"),
            "categories": FieldSpec("dense", "int32", (len(self.categorical),), "D"),
        }

    def facts(self) -> dict[str, Any]:
        """Return the columns, and how many ids each categorical one has with 0 (missing) and 1 (unknown)."""
        sizes = [len(known) + _RESERVED for known in self._ids]
        return {"numeric": list(self.numeric), "categorical": list(self.categorical), "categories": sizes}

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"columns": list(self.columns), "numeric": list(self.numeric), "categorical": list(self.categorical)}

    def state(self) -> State:
        """Return mean and std (numeric,), and the categories of each column in the order of ids, from 2."""
        return State({"categories": [list(known) for known in self._ids]}, {"mean": self._mean, "std": self._std})

    def load_state(self, state: State) -> None:
        """Take over what an earlier ``fit`` learnt."""
        self._mean, self._std = state.tensors["mean"], state.tensors["std"]
        self._number(state.values["categories"])

    def _number(self, vocabularies: list[list[str]]) -> None:
        self._ids = [{value: number for number, value in enumerate(known, _RESERVED)} for known in vocabularies]
