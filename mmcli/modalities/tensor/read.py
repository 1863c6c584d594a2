"""Features made elsewhere, from files or columns, to float32 arrays of one form."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.files import read_cell
from mmcli.modalities.tensor._formats import read_array
from mmcli.modalities.tensor._table import RowArray
from mmcli.store.cells import cell_number
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

_AXES = {1: "D", 2: "TD", 3: "CHW"}
_LOOKED_AT = 32


class Preprocessor:
    """Arrays of numbers: vectors (D,), sequences (T, D) of differing length, or feature maps (C, H, W).

    The array of a row comes from the file that its cell names (.npy, .npz, .safetensors or .pt with one array in it),
    from one array with a row for each sample, or from numeric cells. All rows have the form that most of the first
    32 readable train rows have.

    Args:
        columns: The column whose cells name files; or the numeric columns; or none, with ``array``.
        array: A file with one array, whose row i belongs to row i of the table.
        numeric: Each row is the vector of the numbers in ``columns``.
        max_length: The most steps T of a sequence.
        max_bytes: The most that one array may take in memory as it is stored; of ``array``, any file but .npy.

    Raises:
        MmcliError: The columns do not suit ``array`` and ``numeric``, or a limit is out of its range.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        array: str | None = None,
        numeric: bool = False,
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
        self.max_length = max_length
        self.max_bytes = max_bytes
        self.threaded = array is None and not numeric
        self.fitted = not numeric
        self._rows: RowArray | None = None
        self._dims: tuple[int, ...] | None = (len(columns),) if numeric else None
        self._axes = "D"

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the bytes of the row's file, its row of the array as .npy, or its numbers as JSON; None where empty.

        Raises:
            UnusableError: The file cannot be had, a cell is no number, or only some of the cells are empty.
            MmcliError: The array cannot be read, or has no such row.
        """
        if self.array is not None:
            return self._row_of_array(row.get("row"))
        if self.numeric:
            return self._numbers(row)
        return read_cell(row, self.columns[0], media)

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the array, float32.

        Raises:
            UnusableError: It cannot be read, has another form than the others, or is over a limit.
        """
        values = self._values(content)
        dims, axes = _form(values)
        if self._dims is not None and (dims, axes) != (self._dims, self._axes):
            expected = _shown((*("T" * (self._axes == "TD")), *self._dims))
            raise UnusableError("corrupt", f"shape {_shown(values.shape)}, expected {expected}")
        if axes == "TD" and len(values) > self.max_length:
            raise UnusableError("skipped", f"{len(values)} steps, the limit is {self.max_length}")
        return {"": values}

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn the form of the arrays: the most frequent, or first of these, of the first 32 readable ones.

        Raises:
            MmcliError: Not one can be read.
        """
        if self.numeric:
            return
        self._dims = None
        problems: Counter[str] = Counter()
        forms: Counter[tuple[tuple[int, ...], str]] = Counter()
        for form in islice(self._forms(contents, problems), _LOOKED_AT):
            forms[form] += 1
        if not forms:
            why = f"; most often: {problems.most_common(1)[0][0]}" if problems else ""
            raise MmcliError(f"no train row has an array that can be read from {self._source()}{why}")
        (((self._dims, self._axes), _),) = forms.most_common(1)

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
        """Return nothing: the form says all."""
        return {}

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "columns": list(self.columns),
            "array": self.array,
            "numeric": self.numeric,
            "max_length": self.max_length,
            "max_bytes": self.max_bytes,
        }

    def state(self) -> State:
        """Return the form of the arrays."""
        return State({} if self._dims is None else {"dims": list(self._dims), "axes": self._axes})

    def load_state(self, state: State) -> None:
        """Take over the form of the arrays."""
        self._dims, self._axes = tuple(state.values["dims"]), state.values["axes"]

    def _forms(self, contents: Iterable[bytes], problems: Counter[str]) -> Iterable[tuple[tuple[int, ...], str]]:
        for content in contents:
            try:
                yield _form(self._values(content))
            except UnusableError as problem:
                problems[problem.reason] += 1

    def _values(self, content: bytes) -> Array:
        if self.numeric:
            return np.array(json.loads(content), np.float32)
        stored = read_array(content, self.max_bytes)
        if stored.dtype.kind not in "fiub":
            kind = "complex numbers" if stored.dtype.kind == "c" else f"type {stored.dtype}"
            raise UnusableError("corrupt", f"{kind}, expected real numbers")
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(np.atleast_1d(stored), np.float32)
        if values.ndim not in _AXES:
            raise UnusableError("corrupt", f"shape {_shown(values.shape)}, expected (D,), (T, D) or (C, H, W)")
        if not values.size:
            raise UnusableError("corrupt", f"shape {_shown(values.shape)} holds no number")
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

    def _row_of_array(self, number: Any) -> bytes:
        assert self.array is not None
        if self._rows is None:
            self._rows = RowArray(self.array, self.max_bytes)
        stream = io.BytesIO()
        np.save(stream, self._rows.row(number), allow_pickle=False)
        return stream.getvalue()

    def _source(self) -> str:
        return self.array or f"column {self.columns[0]!r}"


def _form(values: Array) -> tuple[tuple[int, ...], str]:
    """Return the dims of an array without T, and its axes."""
    axes = _AXES[values.ndim]
    return (values.shape[1:] if axes == "TD" else values.shape), axes


def _shown(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
