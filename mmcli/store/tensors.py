"""Shards: memory-mapped safetensors files."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.columns import KEY_BYTES, Array, Column, Dense, ModalitySpec, Ragged, Tensor

SHARD_ROWS = 1024
SHARD_BYTES = 64 * 2**20
_WRITTEN_AT_ONCE = 2**20
"""Larger writes took up to ten times as long on Linux 6.18 with ext4, whose page cache then looks for large pages."""
DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "I32": "int32", "U32": "uint32",
    "I64": "int64", "U64": "uint64", "F16": "float16", "F32": "float32", "F64": "float64",
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_RANKS = {
    dtype: rank
    for rank, dtype in enumerate((
        "bool", "uint8", "int8", "int16", "uint16", "float16",
        "int32", "uint32", "float32", "float64", "int64", "uint64",
    ))
}  # fmt: skip
"""safetensors stores tensors by descending rank, so that every tensor is aligned."""


def rows_per_shard(modalities: Mapping[str, ModalitySpec]) -> int:
    """Return how many rows a shard holds: a power of two, at most 1,024, and at most 64 MB of tensors."""
    row_bytes = sum(form.row_bytes() for spec in modalities.values() for form in spec.fields.values())
    fitting = max(1, min(SHARD_ROWS, SHARD_BYTES // max(1, row_bytes)))
    return 1 << (fitting.bit_length() - 1)


def write_shard(path: Path, columns: Mapping[str, Column]) -> str:
    """Write columns as one shard, atomically, and return the file's SHA-256."""
    arrays: dict[str, Array] = {}
    for name, column in columns.items():
        for field, tensor in column.fields.items():
            stem = f"{name}.{field}" if field else name
            if isinstance(tensor, Dense):
                arrays[stem] = np.ascontiguousarray(tensor.values)
            else:
                arrays[f"{stem}.values"] = np.ascontiguousarray(tensor.values)
                arrays[f"{stem}.offsets"] = np.ascontiguousarray(tensor.offsets)
        arrays[f"{name}.present"] = np.ascontiguousarray(column.present)
        arrays[f"{name}.key"] = np.ascontiguousarray(column.key)
    order = sorted(sorted(arrays), key=lambda name: _RANKS[arrays[name].dtype.name], reverse=True)
    beside, digest = path.with_suffix(".writing"), hashlib.sha256()
    parts: list[Any] = [_header(arrays, order), *(arrays[name].reshape(-1).view(np.uint8) for name in order)]
    with beside.open("wb") as file:
        for part in parts:
            for start in range(0, len(part), _WRITTEN_AT_ONCE):
                piece = part[start : start + _WRITTEN_AT_ONCE]
                file.write(piece)
                digest.update(piece)
    os.replace(beside, path)
    return digest.hexdigest()


def _header(arrays: Mapping[str, Array], order: Sequence[str]) -> bytes:
    """Return the header of a safetensors file, so that the values can be written without copying them."""
    entries, end = {}, 0
    for name in order:
        start, end = end, end + arrays[name].nbytes
        form = {"dtype": _NAMES[arrays[name].dtype.name], "shape": arrays[name].shape, "data_offsets": [start, end]}
        entries[name] = form
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


class Shard:
    """One shard file, mapped into memory.

    Raises:
        MmcliError: The file is missing, truncated, or its header does not fit its size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrays = map_safetensors(path)
        self._columns: dict[str, Column] = {}

    def keys(self, modality: str) -> Array:
        """Return the content keys (rows, 16) of a modality."""
        return self._array(f"{modality}.key")

    def present(self, modality: str) -> Array:
        """Return which rows have the modality, (rows,) bool."""
        return self._array(f"{modality}.present")

    def modalities(self) -> set[str]:
        """Return the names of the modalities in the shard."""
        return {name.removesuffix(".key") for name in self._arrays if name.endswith(".key")}

    def holds(self, modality: str) -> bool:
        """Return whether the shard has this modality."""
        return f"{modality}.key" in self._arrays

    def column(self, modality: str, spec: ModalitySpec) -> Column:
        """Return a modality's column as views of the mapped file.

        Raises:
            MmcliError: The tensors do not have the form ``spec``, or do not fit each other.
        """
        if modality not in self._columns:
            column = self._make_column(modality, spec)
            _check_column(column, spec, f"{self.path}: {modality}")
            self._columns[modality] = column
        return self._columns[modality]

    def _make_column(self, modality: str, spec: ModalitySpec) -> Column:
        fields: dict[str, Tensor] = {}
        for field, form in spec.fields.items():
            stem = f"{modality}.{field}" if field else modality
            if form.layout == "dense":
                fields[field] = Dense(self._array(stem))
            else:
                fields[field] = Ragged(self._array(f"{stem}.values"), self._array(f"{stem}.offsets"))
        return Column(fields, self.present(modality), self.keys(modality))

    def _array(self, name: str) -> Array:
        if name not in self._arrays:
            raise MmcliError(f"{self.path}: tensor {name!r} is missing from this shard")
        return self._arrays[name]


def _check_column(column: Column, spec: ModalitySpec, where: str) -> None:
    rows = len(column.present)
    fits = column.present.shape == (rows,) and column.present.dtype == bool
    fits = fits and column.key.shape == (rows, KEY_BYTES) and column.key.dtype == np.uint8
    for name, form in spec.fields.items():
        tensor = column.fields[name]
        fits = fits and tensor.values.dtype == np.dtype(form.dtype) and tensor.values.shape[1:] == form.dims
        if isinstance(tensor, Ragged):
            offsets = tensor.offsets
            fits = fits and offsets.shape == (rows + 1,) and offsets.dtype == np.int64
            fits = fits and offsets[0] == 0 and offsets[-1] == len(tensor.values)
            fits = fits and bool((offsets[1:] >= offsets[:-1]).all())
        else:
            fits = fits and len(tensor.values) == rows
    if not fits:
        raise MmcliError(f"{where}: the tensors of this shard do not fit each other; make it again")


def map_safetensors(path: Path) -> dict[str, Array]:
    """Map every tensor of a safetensors file as a read-only array.

    Raises:
        MmcliError: The file is missing, truncated, or its header does not fit its size.
    """
    try:
        whole = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise MmcliError(f"{path}: cannot be opened: {error}") from None
    damaged = MmcliError(f"{path}: not a complete safetensors file; make it again or run `mmcli verify`")
    if len(whole) < 8:
        raise damaged
    length = int(whole[:8].view("<u8")[0])
    if length > len(whole) - 8:
        raise damaged
    try:
        header = json.loads(bytes(whole[8 : 8 + length]))
        "".join(header).encode()  # refuses names with lone surrogates
        body = whole[8 + length :]
        return {name: _view(body, form) for name, form in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None


def _view(body: Array, form: Mapping[str, Any]) -> Array:
    start, stop = form["data_offsets"]
    shape = list(form["shape"])
    dtype = np.dtype(DTYPES[str(form["dtype"])])
    if not 0 <= start <= stop <= len(body) or any(type(size) is not int or size < 0 for size in shape):
        raise ValueError
    if math.prod(shape) * dtype.itemsize != stop - start:
        raise ValueError
    part = np.asarray(body[start:stop])
    return part.view(dtype).reshape(shape)
