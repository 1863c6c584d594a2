"""Reads features computed elsewhere, from files or columns, into float32 arrays of one form."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.files import read_cell
from mmcli.modalities.tensor._formats import read_array
from mmcli.modalities.tensor._precision import Shift, needed_shift
from mmcli.modalities.tensor._table import RowArray
from mmcli.modalities.vector_cells import read_vector
from mmcli.store.cells import cell_number
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

_AXES = {1: "D", 2: "TD", 3: "CHW"}
_LOOKED_AT = 32
_SCALED_BY = 1024


class Preprocessor:
    """Arrays of numbers: vectors (D,), sequences (T, D) of varying length, or feature maps (C, H, W).

    A row's array comes from the file that its cell names (.npy, .npz, .safetensors or .pt with one array), from the
    cell itself if it holds a list of numbers, from one array with a row per sample, or from numeric cells. 64-bit
    numbers whose differences float32 would lose, such as milliseconds since 1970, are standardised. All rows must have
    the most frequent form among the first 32 readable train rows.

    Args:
        columns: The column whose cells name files, or the numeric columns, or none with ``array``.
        array: A file with one array, whose row i belongs to row i of the table.
        numeric: Each row is the vector of the numbers in ``columns``.
        lengths_column: Column with the true number of steps of each row's sequence; the rest is padding.
        lengths_file: A file with one array of these lengths, whose item i belongs to row i of the table.
        pad_value: Trailing steps that consist only of this value are padding.
        max_length: Maximum number of steps T of a sequence.
        max_bytes: Maximum size of one array in memory; for ``array``, of any file but .npy.

    Raises:
        MmcliError: The columns do not fit ``array`` and ``numeric``, or a limit is out of range.
    """

    version: ClassVar[int] = 2
    fitted: ClassVar[bool] = True

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        array: str | None = None,
        numeric: bool = False,
        lengths_column: str | None = None,
        lengths_file: str | None = None,
        pad_value: float | None = None,
        max_length: int = 4096,
        max_bytes: int = 2**30,
    ) -> None:
        if array is not None and (columns or numeric):
            raise MmcliError(f"a tensor modality is read from {array} or from columns, not from both")
        if array is None and (not columns or (len(columns) > 1 and not numeric)):
            raise MmcliError(f"a tensor modality has one column that names files, found {len(columns)}")
        if max_length < 1 or max_bytes < 1:
            raise MmcliError(f"max_length {max_length} and --max-bytes {max_bytes} must be at least 1")
        self.columns = tuple(columns)
        self.array = array
        self.numeric = numeric
        self.lengths_column = lengths_column
        self.lengths_file = lengths_file
        self.pad_value = pad_value
        self.max_length = max_length
        self.max_bytes = max_bytes
        self.threaded = array is None and not numeric
        self._rows: RowArray | None = None
        self._lengths: RowArray | None = None
        self._shift: Shift | None = None
        self._padded = 0
        self._dims: tuple[int, ...] | None = (len(columns),) if numeric else None
        self._axes = "D"

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the row's file, its row of the array as .npy, or its numbers as JSON; None if empty.

        Raises:
            UnusableError: The file cannot be read, a cell is not a number, or only some of the cells are empty.
            MmcliError: The array cannot be read, or has no such row.
        """
        if self.array is not None:
            return _npy(self._own_steps(self._array_rows().row(row.get("row")), row))
        if self.numeric:
            return self._numbers(row)
        vector = read_vector(row.get(self.columns[0]))
        return read_cell(row, self.columns[0], media) if vector is None else _npy(self._own_steps(vector, row))

    def array_rows(self) -> int:
        """Return the number of rows in the array.

        Raises:
            MmcliError: It cannot be read.
        """
        return len(self._array_rows())

    def take_array(self, path: str | None) -> None:
        """Switch to the array of another table, with rows of the same form."""
        self.array, self._rows = path, None

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the array, float32.

        Raises:
            UnusableError: It cannot be read, has an unexpected form, or is over a limit.
        """
        values = self._stored(self._numbers_of(content))
        dims, axes = _form(values)
        if self._dims is not None and (dims, axes) != (self._dims, self._axes):
            expected = _shown((*("T" * (self._axes == "TD")), *self._dims))
            raise UnusableError("corrupt", f"shape {_shown(values.shape)}, expected {expected}")
        if axes == "TD" and len(values) > self.max_length:
            raise UnusableError("skipped", f"{len(values)} steps, the limit is {self.max_length}")
        return {"": values}

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn the form of the arrays: the most frequent (first on a tie) of the first 32 readable ones.

        Raises:
            MmcliError: None can be read.
        """
        self._shift, self._padded = None, 0
        problems: Counter[str] = Counter()
        found = list(islice(self._readable(contents, problems), _LOOKED_AT))
        if not self.numeric:
            if not found:
                why = f"; most often: {problems.most_common(1)[0][0]}" if problems else ""
                raise MmcliError(f"no train row has an array that can be read from {self._source()}{why}")
            (((self._dims, self._axes), _),) = Counter(_form(values) for values in found).most_common(1)
        alike = [values for values in found if _form(values) == (self._dims, self._axes)]
        if self._axes == "TD" and len(alike) > 1 and all(not values[-1].any() for values in alike):
            self._padded = len(alike)
        if self._axes != "CHW" and alike and alike[0].dtype.itemsize == 8:
            more = islice(self._readable(contents, problems), _SCALED_BY - len(found))
            alike += [values for values in more if _form(values) == (self._dims, self._axes)]
            self._shift = needed_shift(alike)

    def watch(self) -> None:
        """Do nothing: ``fit`` has seen all that is reported."""

    def strange(self) -> list[str]:
        """Return a warning if all the sequences seen end in steps of zeros."""
        if not self._padded:
            return []
        return [
            f"sequences from {self._source()} end in steps of zeros in all {self._padded} train rows checked; if "
            "these are padding, use --pad-value NAME=0 or --lengths NAME=COLUMN"
        ]

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the arrays.

        Raises:
            MmcliError: It is not known before ``fit``.
        """
        if self._dims is None:
            raise MmcliError(f"the form of the arrays from {self._source()} is not known before fit")
        if self._axes == "TD":
            return {"": FieldSpec("ragged", "float32", self._dims, "TD", bound=self.max_length)}
        return {"": FieldSpec("dense", "float32", self._dims, self._axes)}

    def facts(self) -> dict[str, Any]:
        """Return nothing: the form says everything."""
        return {}

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        told = {
            "lengths_column": self.lengths_column, "lengths_file": self.lengths_file, "pad_value": self.pad_value
        }  # fmt: skip
        return {
            "columns": list(self.columns),
            "array": self.array,
            "numeric": self.numeric,
            **{name: value for name, value in told.items() if value is not None},
            "max_length": self.max_length,
            "max_bytes": self.max_bytes,
        }

    def state(self) -> State:
        """Return the form of the arrays and, if any, the offset and scale applied before storage."""
        if self._dims is None:
            return State()
        shift = {} if self._shift is None else {"offset": self._shift.offset, "scale": self._shift.scale}
        return State({"dims": list(self._dims), "axes": self._axes}, shift)

    def load_state(self, state: State) -> None:
        """Restore the form of the arrays."""
        self._dims, self._axes = tuple(state.values["dims"]), state.values["axes"]
        if "offset" in state.tensors:
            self._shift = Shift(state.tensors["offset"], state.tensors["scale"])

    def _readable(self, contents: Iterable[bytes], problems: Counter[str]) -> Iterator[Array]:
        for content in contents:
            try:
                values = self._numbers_of(content)
                self._stored(values)
            except UnusableError as problem:
                problems[problem.reason] += 1
            else:
                yield values

    def _numbers_of(self, content: bytes) -> Array:
        """Return the array of a row in its stored dtype, without padding."""
        if self.numeric:
            return np.array(json.loads(content), np.float64)
        stored = read_array(content, self.max_bytes)
        if stored.dtype.kind not in "fiub":
            kind = "complex numbers" if stored.dtype.kind == "c" else f"type {stored.dtype}"
            raise UnusableError("corrupt", f"{kind}, expected real numbers")
        values = np.atleast_1d(stored)
        if values.ndim not in _AXES:
            raise UnusableError("corrupt", f"shape {_shown(values.shape)}, expected (D,), (T, D) or (C, H, W)")
        if not values.size:
            raise UnusableError("corrupt", f"shape {_shown(values.shape)} holds no number")
        if self.pad_value is not None and values.ndim == 2:
            own = np.flatnonzero((values != self.pad_value).any(axis=1))
            if not len(own):
                raise UnusableError("corrupt", f"all {len(values)} steps are padding ({self.pad_value:g})")
            values = values[: own[-1] + 1]
        return values

    def _stored(self, values: Array) -> Array:
        """Return an array as stored: scaled if float32 would blur it."""
        if self._shift is not None and values.shape[-1:] == self._shift.offset.shape:
            values = self._shift.apply(values)
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(values, np.float32)
        bad = values.size - int(np.isfinite(values).sum())
        if bad:
            raise UnusableError("corrupt", f"{bad} of {values.size} numbers are NaN, infinite or too large for float32")
        return values

    def _numbers(self, row: Mapping[str, Any]) -> bytes | None:
        numbers = [cell_number(row.get(column), column) for column in self.columns]
        missing = [column for column, number in zip(self.columns, numbers, strict=True) if number is None]
        if len(missing) == len(numbers):
            return None
        if missing:
            some = f"{len(missing)} of {len(numbers)} columns are empty, {missing[0]!r} first"
            raise UnusableError("corrupt", f"{some}; a vector needs them all")
        return json.dumps(numbers, separators=(",", ":")).encode()

    def _array_rows(self) -> RowArray:
        assert self.array is not None
        if self._rows is None:
            self._rows = RowArray(self.array, self.max_bytes)
        return self._rows

    def _own_steps(self, values: Array, row: Mapping[str, Any]) -> Array:
        """Return the steps of a row's sequence that are not padding, by the given lengths.

        Raises:
            UnusableError: The row's length is invalid.
        """
        if self.lengths_column is not None:
            told: Any = cell_number(row.get(self.lengths_column), self.lengths_column)
        elif self.lengths_file is not None:
            if self._lengths is None:
                self._lengths = RowArray(self.lengths_file, self.max_bytes)
            told = float(self._lengths.row(row.get("row")))
        else:
            return values
        if values.ndim != 2 or told is None or told != int(told) or not 0 < told <= len(values):
            raise UnusableError("corrupt", f"a length of {told}, expected 1 to {len(values)} steps (--lengths)")
        return values[: int(told)]

    def _source(self) -> str:
        return self.array or f"column {self.columns[0]!r}"


def _npy(values: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def _form(values: Array) -> tuple[tuple[int, ...], str]:
    """Return the dims of an array without T, and its axes."""
    axes = _AXES[values.ndim]
    return (values.shape[1:] if axes == "TD" else values.shape), axes


def _shown(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
