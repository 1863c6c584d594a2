"""The data that stages exchange: batches of rows with one column per modality, and their specs.

Shape letters: B rows, T time, D feature, C channel, H, W, S audio sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import MmcliError, Status

Array = NDArray[Any]
Row = dict[str, Any]
KEY_BYTES = 16
ABSENT_KEY = bytes(KEY_BYTES)
FUSED = "fused"


@dataclass(frozen=True)
class Dense:
    """Rows of one shape: ``values`` (B, ...)."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indexes: Array) -> Dense:
        """Return the rows at ``indexes``, in that order."""
        return Dense(self.values[indexes])

    def view(self, rows: slice) -> Dense:
        """Return rows that follow one another, copying nothing."""
        return Dense(self.values[rows])

    def item(self, index: int) -> Array:
        """Return one row."""
        return np.asarray(self.values[index])


@dataclass(frozen=True)
class Ragged:
    """Rows of varying length: values (sum T, ...), offsets (B + 1,). Row i is ``values[offsets[i]:offsets[i+1]]``."""

    values: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, indexes: Array) -> Ragged:
        """Return the rows at ``indexes``, in that order."""
        starts, lengths = self.offsets[:-1][indexes], np.diff(self.offsets)[indexes]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Ragged(self.values[np.repeat(starts, lengths) + inside], offsets)

    def view(self, rows: slice) -> Ragged:
        """Return rows that follow one another, copying none of their values."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])

    def item(self, index: int) -> Array:
        """Return one row, (T, ...)."""
        return np.asarray(self.values[self.offsets[index] : self.offsets[index + 1]])


Tensor = Dense | Ragged


@dataclass(frozen=True)
class FieldSpec:
    """The form of one tensor of a modality.

    Args:
        layout: ``dense`` if all rows have one shape, ``ragged`` if each row has its own length T.
        dtype: A NumPy dtype name.
        dims: The shape of a row; for ragged, the shape of one step, without T.
        axes: One letter for each axis of a row, T first when ragged, such as ``CHW``, ``TD``, ``S``, ``D``.
        bound: The maximum number of steps T of a ragged row, or 0 if unbounded.
    """

    layout: Literal["dense", "ragged"]
    dtype: str
    dims: tuple[int, ...]
    axes: str
    bound: int = 0

    def row_bytes(self) -> int:
        """Return the maximum number of bytes in a row; sequences are counted with at most 1,024 steps."""
        steps = 1 if self.layout == "dense" else min(self.bound or 1024, 1024) if self.dims else self.bound or 1024
        return int(np.dtype(self.dtype).itemsize * steps * int(np.prod(self.dims)))


@dataclass(frozen=True)
class ModalitySpec:
    """An artifact's description of one modality.

    Args:
        kind: text, image, audio, video, table or tensor: the kind of the source modality.
        source: The name the modality had after preprocess; several extractors on it share it.
        extractor: The extractor's spec text, or None before extract-features.
        fingerprint: Hash of the transform that made it: code version, parameters, fitted state, weights.
        fields: The tensors, by field name; the main one is named ``""``.
        scaling: How fuse may scale it: each column by its own number, or all of it by one.
        facts: Properties that later stages need, such as ``{"sample_rate": 16000}``.
    """

    kind: str
    source: str
    extractor: str | None
    fingerprint: str
    fields: dict[str, FieldSpec]
    scaling: Literal["column", "whole", "none"] = "none"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def main(self) -> FieldSpec:
        """The form of the main tensor."""
        return self.fields[""]

    def to_json(self) -> dict[str, Any]:
        """Return the form that ``artifact.json`` holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ModalitySpec:
        """Read the form that ``artifact.json`` holds."""
        fields = {name: replace(FieldSpec(**form), dims=tuple(form["dims"])) for name, form in record["fields"].items()}
        return cls(**{**record, "fields": fields})


@dataclass(frozen=True)
class Column:
    """One modality of a batch.

    Args:
        fields: The tensors by field name; the main one is named ``""``. Absent rows are zeros, or empty when ragged.
        present: (B,) bool.
        key: (B, 16) uint8, the content key of each row; zeros if there was no input.
    """

    fields: dict[str, Tensor]
    present: NDArray[np.bool_]
    key: NDArray[np.uint8]

    @property
    def main(self) -> Tensor:
        """The main tensor."""
        return self.fields[""]

    def __len__(self) -> int:
        return len(self.present)

    def take(self, indexes: Array) -> Column:
        """Return the rows at ``indexes``, in that order."""
        fields = {name: tensor.take(indexes) for name, tensor in self.fields.items()}
        return Column(fields, self.present[indexes], self.key[indexes])

    def look(self, indexes: Array) -> Column:
        """Return the same for reading alone: what follows one another is not copied."""
        rows = _as_slice(indexes)
        if rows is None:
            return self.take(indexes)
        return Column(
            {name: tensor.view(rows) for name, tensor in self.fields.items()}, self.present[rows], self.key[rows]
        )

    def texts(self, name: str) -> list[str]:
        """Return a field of UTF-8 bytes as strings; absent rows are empty.

        Raises:
            MmcliError: The bytes of a row are not UTF-8.
        """
        tensor = self.fields[name]
        try:
            return [bytes(tensor.item(index)).decode("utf-8") for index in range(len(self))]
        except UnicodeDecodeError:
            raise MmcliError("a stored text is not UTF-8: a shard is damaged; mmcli verify finds it") from None


@dataclass(frozen=True)
class LedgerEntry:
    """One input that is not ok; with ``column`` and ``value``, one bad cell of an input that is otherwise usable."""

    row: int
    id: str
    modality: str
    status: Status
    reason: str
    path: str | None = None
    column: str | None = None
    value: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, with column and value only if it is about a cell."""
        record = dict(vars(self))
        return record if self.column is not None else {k: record[k] for k in record if k not in ("column", "value")}


@dataclass(frozen=True)
class Batch:
    """Rows with their columns; ``ledger`` lists inputs that are not ok (``row`` is the position in the batch).

    ``cells`` lists single cells that are treated as empty, and why; their inputs may still be ok.
    """

    rows: Sequence[Row]
    columns: dict[str, Column]
    ledger: list[LedgerEntry] = field(default_factory=list)
    cells: list[LedgerEntry] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)


def _as_slice(indexes: Array) -> slice | None:
    """Return the slice of these rows; None where they do not follow one another."""
    if not len(indexes) or indexes[0] < 0 or not (np.diff(indexes) == 1).all():
        return None
    return slice(int(indexes[0]), int(indexes[-1]) + 1)


def assemble(spec: FieldSpec, items: Sequence[Array | None]) -> Tensor:
    """Stack items into a tensor of the form ``spec``; None is an absent row.

    Raises:
        MmcliError: An item has another shape.
    """
    dtype = np.dtype(spec.dtype)
    for item in items:
        shape = None if item is None else item.shape if spec.layout == "dense" else item.shape[1:]
        if shape is not None and tuple(shape) != spec.dims:
            raise MmcliError(f"an item has shape {tuple(shape)}, expected {spec.dims}")
    if spec.layout == "dense":
        values = np.zeros((len(items), *spec.dims), dtype)
        for index, item in enumerate(items):
            if item is not None:
                values[index] = item
        return Dense(values)
    lengths = [0 if item is None else len(item) for item in items]
    whole = [item for item in items if item is not None and len(item)]
    flat = np.concatenate(whole).astype(dtype, copy=False) if whole else np.zeros((0, *spec.dims), dtype)
    return Ragged(flat, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def concatenate(columns: Sequence[Column]) -> Column:
    """Concatenate columns of the same modality."""
    fields = {name: join([column.fields[name] for column in columns]) for name in columns[0].fields}
    return Column(
        fields,
        np.concatenate([column.present for column in columns]),
        np.concatenate([column.key for column in columns]),
    )


def join(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate the rows of tensors of one form."""
    values = np.concatenate([part.values for part in parts])
    ragged = [part for part in parts if isinstance(part, Ragged)]
    if not ragged:
        return Dense(values)
    lengths = np.concatenate([np.diff(part.offsets) for part in ragged])
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
