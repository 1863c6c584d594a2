"""Turns numeric cells into standardised numbers with missing flags, and categorical cells into ids."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media, OddCell
from mmcli.modalities.table._cells import read_categories, read_numbers, read_strings
from mmcli.modalities.table._moments import Moments
from mmcli.modalities.table._spelling import Spelling, spelled, told_spelling
from mmcli.modalities.table._watch import Watch
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State
from mmcli.store.string_rows import StringRows

MISSING_ID, UNKNOWN_ID = 0, 1
_RESERVED = 2
_BLOCK = 1024
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Preprocessor:
    """The cells of several columns: numbers standardised over the train rows, and category ids.

    Args:
        columns: All columns, numeric ones first.
        numeric: The numeric columns.
        categorical: The categorical columns.

    Raises:
        MmcliError: A column is both numeric and categorical, or there are no columns.
    """

    version: ClassVar[int] = 2
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
        self._spellings: list[Spelling] = ["text" for _ in categorical]
        self._ids: list[dict[str, int]] = [{} for _ in categorical]
        self._watch: Watch | None = None

    def watch(self) -> None:
        """Start watching for values unlike the train rows."""
        self._watch = Watch(self.numeric, self.categorical)

    def strange(self) -> list[str]:
        """Return one sentence for each column most of whose values were unlike the train rows."""
        return [] if self._watch is None else self._watch.warnings()

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the numbers (numeric,) as float64, NaN if missing, then the categories as JSON.

        None if every cell is empty.

        Raises:
            UnusableError: A cell is invalid for its column, and all other cells are empty.
        """
        (content,), odd = self.read([row])
        if content is None and odd:
            raise UnusableError("corrupt", odd[0].reason)
        return content

    def read(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[bytes | None], list[OddCell]]:
        """Return the content of each row (None if empty), and the cells that are invalid for their column.

        Invalid cells count as empty.
        """
        odd: list[OddCell] = []
        numbers = np.empty((len(rows), len(self.numeric)))
        categories: list[list[str | None]] = []
        for place, (column, cells) in enumerate(zip(self.columns, self._cells_of(rows), strict=True)):
            if place >= len(self.numeric):
                values, reasons = read_categories(cells, column)
                categories.append(values)
            elif isinstance(cells, list | tuple):
                numbers[:, place], reasons = read_numbers(cells, column)
            else:
                numbers[:, place], reasons = read_strings(cells, column)
            odd += [OddCell(row, column, str(cells[row]), reason) for row, reason in reasons.items()]
        for row, place in np.argwhere(np.isinf(self._standardised(numbers))).tolist():
            column = self.numeric[place]
            reason = f"column {column!r}: too far from the values of the train rows for float32"
            odd.append(OddCell(row, column, str(rows[row][column]), reason))
            numbers[row, place] = np.nan
        odd.sort(key=lambda each: each.row)
        whole, step = numbers.tobytes(), 8 * len(self.numeric)
        contents = [whole[row * step : (row + 1) * step] for row in range(len(rows))]
        present: NDArray[Any] = np.logical_not(np.isnan(numbers).all(axis=1))
        if categories:
            named = list(zip(*categories, strict=True))
            contents = [before + _ENCODE(each).encode() for before, each in zip(contents, named, strict=True)]
            present = present | np.array([any(value is not None for value in each) for each in named], bool)
        return [content if there else None for content, there in zip(contents, present, strict=True)], odd

    def _cells_of(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
        """Return the cells of each column, None if a row has none; strings may be an Arrow array."""
        if isinstance(rows, StringRows):
            strings = [rows.strings(column) for column in self.numeric]
            numbers = [[None] * len(rows) if each is None else each for each in strings]
            return [*numbers, *map(rows.cells, self.categorical)]
        take = itemgetter(*self.columns)
        try:
            taken = list(map(take, rows))
        except KeyError:
            return [[row.get(column) for row in rows] for column in self.columns]
        return zip(*taken, strict=True) if len(self.columns) > 1 else [taken]

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the numbers and their missing flags (2 * numeric,), and the category ids (categorical,)."""
        return {name: values[0] for name, values in self.decode_rows([content]).items()}

    def decode_rows(self, contents: Sequence[bytes]) -> dict[str, Array]:
        """Return the numbers and their missing flags (N, 2 * numeric), and the category ids (N, categorical)."""
        numbers = self._numbers(contents)
        standard = self._standardised(numbers)
        if self._watch is not None:
            self._watch.add_numbers(numbers, standard)
        missing = np.isnan(standard)
        standard[missing] = 0.0
        ids = [self._ids_of(values) for values in self._categories(contents)] if self.categorical else []
        return {
            "": np.concatenate([standard, missing.astype(np.float32)], axis=1),
            "categories": np.array(ids, np.int32).reshape(len(contents), len(self.categorical)),
        }

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn the mean and standard deviation of each numeric column, and the id of each category, in one pass."""
        moments = Moments(len(self.numeric))
        categories: list[Counter[str]] = [Counter() for _ in self.categorical]
        waiting = iter(contents)
        while block := list(itertools.islice(waiting, _BLOCK)):
            moments.add(self._numbers(block))
            for values in self._categories(block) if self.categorical else ():
                for counter, value in zip(categories, values, strict=True):
                    if value is not None:
                        counter[value] += 1
        self._mean, self._std = moments.mean, moments.deviation()
        self._spellings = [told_spelling(counter) for counter in categories]
        vocabularies = []
        for counter, spelling in zip(categories, self._spellings, strict=True):
            merged: Counter[str] = Counter()
            for value, count in counter.items():
                merged[spelled(value, spelling)] += count
            vocabularies.append([value for _, value in sorted((-count, value) for value, count in merged.items())])
        self._number(vocabularies)

    def _standardised(self, numbers: NDArray[np.float64]) -> NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):
            return ((numbers - self._mean) / self._std).astype(np.float32)

    def _numbers(self, contents: Sequence[bytes]) -> NDArray[np.float64]:
        """Return the numbers of contents, (N, numeric)."""
        step = 8 * len(self.numeric)
        joined = b"".join(content[:step] for content in contents) if self.categorical else b"".join(contents)
        return np.frombuffer(joined, np.float64).reshape(len(contents), len(self.numeric))

    def _categories(self, contents: Sequence[bytes]) -> Iterator[list[str | None]]:
        step = 8 * len(self.numeric)
        return (json.loads(content[step:]) for content in contents)

    def _ids_of(self, values: Sequence[str | None]) -> list[int]:
        ids = [
            MISSING_ID if value is None else known.get(spelled(value, spelling), UNKNOWN_ID)
            for value, known, spelling in zip(values, self._ids, self._spellings, strict=True)
        ]
        if self._watch is not None:
            for place, (value, number) in enumerate(zip(values, ids, strict=True)):
                if value is not None:
                    self._watch.add_category(place, value, number != UNKNOWN_ID)
        return ids

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the numbers and of the categories."""
        return {
            "": FieldSpec("dense", "float32", (2 * len(self.numeric),), "D"),
            "categories": FieldSpec("dense", "int32", (len(self.categorical),), "D"),
        }

    def facts(self) -> dict[str, Any]:
        """Return the columns, and each categorical column's id count, including 0 (missing) and 1 (unknown)."""
        sizes = [len(known) + _RESERVED for known in self._ids]
        return {"numeric": list(self.numeric), "categorical": list(self.categorical), "categories": sizes}

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"columns": list(self.columns), "numeric": list(self.numeric), "categorical": list(self.categorical)}

    def state(self) -> State:
        """Return mean and std (numeric,), each column's categories in the order of ids, and their spelling."""
        return State(
            {"categories": [list(known) for known in self._ids], "spellings": self._spellings},
            {"mean": self._mean, "std": self._std},
        )

    def load_state(self, state: State) -> None:
        """Restore what an earlier ``fit`` learnt."""
        self._mean, self._std = state.tensors["mean"], state.tensors["std"]
        categories = state.values["categories"]
        self._spellings = list(state.values.get("spellings", ["text" for _ in categories]))
        self._number(categories)

    def _number(self, vocabularies: list[list[str]]) -> None:
        self._ids = [{value: number for number, value in enumerate(known, _RESERVED)} for known in vocabularies]
