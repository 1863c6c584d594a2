"""Tensor fusion: outer product of all modalities, each projected to a few features plus a 1."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mmcli.errors import MmcliError
from mmcli.fusion.presence import fill_absent, presence_matrix, require_width

_LARGEST = 2**16
_LARGEST_BY_DEFAULT = 2**12
_WIDEST_BY_DEFAULT = 32


class Tensor(nn.Module):
    """The outer product over modalities of [1, z_m], flattened, with z_m = tanh(P_m x_m + b_m).

    It contains each z_m and the products of every two, three, ... of them. An absent modality is [1, 0, ..., 0], so
    that all its products are zeros; if none is present, the result is zeros.

    Args:
        in_dims: The width of each modality.
        dim: The width of each z_m, at least 1; the result has (dim + 1)^M columns, at most 65536. None is the largest
            value up to 32 that gives at most 4096 columns, or 1 if there is none.

    Raises:
        MmcliError: ``dim`` is below 1, or the result is too wide.

    Source: Zadeh et al. 2017, Tensor Fusion Network for Multimodal Sentiment Analysis, section 4.2; its network for
    each modality is replaced by one tanh layer, which bounds the products.
    """

    kind = "learnt"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, dim: int | None = None) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        count = len(self.names)
        if dim is None:
            dim = min(max(_largest_dim(count, _LARGEST_BY_DEFAULT), 1), _WIDEST_BY_DEFAULT)
        require_width("dim", dim)
        self.out_dim = (dim + 1) ** count
        if self.out_dim > _LARGEST:
            raise _too_wide(dim, count)
        self.projections = nn.ModuleList(nn.Linear(in_dims[name], dim) for name in self.names)

    def forward(self, features: Mapping[str, torch.Tensor], present: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return (B, (dim + 1)^M), with the columns of the last modality varying fastest."""
        there = presence_matrix(present, self.names)
        inputs = fill_absent(features, present, self.names)
        product = there.any(dim=1, keepdim=True).to(inputs[0].dtype)
        for index, (layer, value) in enumerate(zip(self.projections, inputs, strict=True)):
            small = torch.where(there[:, index : index + 1], layer(value).tanh(), 0.0)
            with_one = nn.functional.pad(small, (1, 0), value=1.0)
            product = (product.unsqueeze(2) * with_one.unsqueeze(1)).flatten(start_dim=1)
        return product


def _largest_dim(count: int, columns: int) -> int:
    """Return the largest dim with (dim + 1)^count at most ``columns``; 0 if there is none."""
    dim = 0
    while (dim + 2) ** count <= columns:
        dim += 1
    return dim


def _too_wide(dim: int, count: int) -> MmcliError:
    most = _largest_dim(count, _LARGEST)
    repair = f"at most dim={most}, or method low_rank" if most else "method low_rank, or fewer modalities"
    return MmcliError(
        f"fusion method 'tensor': {count} modalities with dim={dim} make ({dim} + 1)^{count} columns, "
        f"more than {_LARGEST}: use {repair}"
    )
