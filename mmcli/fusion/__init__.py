"""Fusion: the features of several modalities become one vector a row, whichever of them are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Protocol

from torch import Tensor


class Fusion(Protocol):
    """What every registered method offers; each is a ``torch.nn.Module``.

    It is made from ``in_dims``, the width of each modality by name, and its options. Modalities are taken in
    the sorted order of their names, so the order of a mapping means nothing. What lies in memory where a
    modality is absent, NaN included, reaches neither the result nor a gradient; a row without any modality
    gives zeros or a learnt value. ``static`` methods learn nothing; ``learnt`` ones are trained with the
    network they are in.

    A learnt method whose class says ``equal_widths = True`` takes modalities of one width only: the network is to
    project them.

    Methods that weigh whole modalities also have ``modality_weights(features, present)``, which returns
    (B, M), a column for each modality in sorted order, zero where it is absent.
    """

    kind: ClassVar[Literal["static", "learnt"]]
    version: ClassVar[int]
    out_dim: int

    def __call__(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, out_dim) from ``features``, (B, D) each, and ``present``, (B,) bool each."""
