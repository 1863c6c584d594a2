"""The stored array, unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, Ragged, Tensor
from mmcli.store.state import State


class Identity:
    """The main tensor unchanged, float32: dense (D,) or (C, H, W), or ragged (T, D)."""

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Do nothing: there is nothing to learn."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features: that of the stored array."""
        return replace(spec.main, dtype="float32")

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the stored arrays.

        Raises:
            MmcliError: A sequence is empty.
        """
        tensor = column.main
        if isinstance(tensor, Ragged):
            lengths = np.diff(tensor.offsets)
            if not lengths.all():
                raise MmcliError(f"identity: sequence {int(np.argmin(lengths))} of {len(column)} is empty")
        return replace(tensor, values=tensor.values.astype(np.float32, copy=False))

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: it learns nothing."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""
