"""Shards: mapped, checked against what the header says of them, and looked up by key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mmcli.store.columns import ModalitySpec
from mmcli.store.earlier import Earlier
from mmcli.store.tensors import Shard, map_safetensors, write_shard
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_safetensors
from tests.store.conftest import SPECS, make_columns


def make(folder: Path) -> Reader:
    """One shard of dense and ragged columns."""
    columns = make_columns(7)
    write_shard(folder / "00000.safetensors", columns)
    content = (folder / "00000.safetensors").read_bytes()

    def read(case: Case) -> None:
        (folder / "damaged").write_bytes(case.content)
        path = folder / "00000.safetensors"
        os.replace(folder / "damaged", path)
        earlier = Earlier([folder], SPECS)
        earlier.same_shard(0, columns)
        for name, column in columns.items():
            earlier.count(name, column)
            for key in column.key:
                position = earlier.position(name, key.tobytes())
                if position is not None:
                    earlier.item(name, position)
        for array in map_safetensors(path).values():
            np.asarray(array).sum(dtype=np.float64 if array.dtype.kind == "f" else None)
        shard = Shard(path)
        for name, spec in SPECS.items():
            with refused():
                _read_column(shard, name, spec)

    return Reader(_cases(content), read)


def _read_column(shard: Shard, name: str, spec: ModalitySpec) -> None:
    column = shard.column(name, spec)
    column.take(np.arange(len(column))[::-1])
    for tensor in column.fields.values():
        for row in range(len(column)):
            tensor.item(row).tobytes()


@st.composite
def _cases(draw: Any, content: bytes) -> Case:
    return Case("shard", draw(st.one_of(damaged_safetensors(content), st.binary(max_size=64))))
