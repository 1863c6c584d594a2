"""Turns columns of features into the torch tensors that fusion and networks take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec, Ragged

if TYPE_CHECKING:
    from torch import Tensor

    Feature = Tensor | tuple[Tensor, Tensor]


def width(spec: ModalitySpec) -> int:
    """Return the width of a row after pooling sequences over T and feature maps over H and W."""
    return form_width(spec.main)


def form_width(form: FieldSpec) -> int:
    """Return the width of a row of this form; see ``width``."""
    return int(form.dims[0]) if has_steps(form) else int(np.prod(form.dims))


def has_steps(form: FieldSpec) -> bool:
    """Return whether rows of a form are sequences or feature maps, whose positions are steps."""
    return form.axes in ("CHW", "TD")


def to_features(column: Column) -> Feature:
    """Return vectors (B, D), feature maps (B, C, H, W), or zero-padded sequences (B, T, D) with lengths (B,)."""
    import torch

    tensor = column.main
    return torch.from_numpy(np.array(tensor.values, np.float32)) if isinstance(tensor, Dense) else pad(tensor)


def pad(tensor: Ragged) -> tuple[Tensor, Tensor]:
    """Return sequences padded with zeros to the longest, (B, T, D), and their lengths (B,)."""
    import torch

    lengths = np.diff(tensor.offsets)
    values = np.zeros((len(lengths), max(1, int(lengths.max(initial=0))), *tensor.values.shape[1:]), np.float32)
    inside = np.arange(values.shape[1]) < lengths[:, None]
    values[inside] = tensor.values
    return torch.from_numpy(values), torch.from_numpy(lengths)


def collate(columns: Mapping[str, Column], names: list[str]) -> tuple[dict[str, Feature], dict[str, Tensor]]:
    """Return the features of these modalities and their presence, (B,) bool each."""
    import torch

    features = {name: to_features(columns[name]) for name in names}
    present = {name: torch.from_numpy(np.array(columns[name].present)) for name in names}
    return features, present
