"""Standardised numbers with their missing flags, and one-hot categories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from mmcli.modalities.table.read import UNKNOWN_ID
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, Dense, FieldSpec, ModalitySpec
from mmcli.store.state import State


class Identity:
    """The table's numbers and flags, then for each categorical column a one-hot vector: dense (D,).

    A one-hot vector starts with the column for unknown categories; a missing category is all zeros.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Do nothing: there is nothing to learn."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features."""
        width = spec.main.dims[0] + sum(size - UNKNOWN_ID for size in spec.facts["categories"])
        return FieldSpec("dense", "float32", (width,), "D")

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Dense:
        """Return the features, (B, D)."""
        parts = [_values(column, "").astype(np.float32)]
        categories = _values(column, "categories")
        for place, size in enumerate(spec.facts["categories"]):
            # Id 0, missing, has no column.
            parts.append((categories[:, place, None] == np.arange(UNKNOWN_ID, size)).astype(np.float32))
        return Dense(np.concatenate(parts, axis=1))

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: it learns nothing."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""


def _values(column: Column, name: str) -> Array:
    tensor = column.fields[name]
    assert isinstance(tensor, Dense)
    return tensor.values
