"""Fusion: the features of several modalities become one vector a row, whichever of them are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor

Feature = Tensor | tuple[Tensor, Tensor]
"""Vectors (B, D), or a sequence: values (B, T, D) and lengths (B,), whose steps behind a row's length mean nothing."""
Batches = Callable[[], Iterable[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]]
"""Gives the train rows from the start at each call, in batches of features (B, D) and presence (B,) by modality."""
Link = Literal["softmax", "sigmoid", "identity"]
"""What turns a network's outputs into predictions: class probabilities, those of several labels, numbers."""


class Fusion(Protocol):
    """What every registered method offers; each is a ``torch.nn.Module``.

    It is made from ``in_dims``, the width of each modality by name, and its options. Modalities are taken in
    the sorted order of their names, so the order of a mapping means nothing. What lies in memory where a
    modality is absent, or behind the end of a sequence, NaN included, reaches neither the result nor a gradient; a
    row without any modality gives zeros or a learnt value. ``static`` methods learn nothing from labels; ``learnt``
    ones are trained with the network they are in; ``late`` ones combine the outputs of a head for each modality,
    (B, K) each, and are also made from ``link``.

    A learnt method whose class says ``equal_widths = True`` takes modalities of one width only: the network is to
    project them. One that says ``sequences = True`` also takes sequences: values (B, T, D) with lengths (B,), in
    which a vector (B, D) is a sequence of one step. To all others sequences come pooled.

    A static method whose class says ``fitted = True`` learns from train rows without their labels, and is one of
    ``FitsRows``. If it makes a space that modalities share, it is one of ``mmcli.models.abilities.Embeds``, zeros where
    a modality is absent, and its result is their mean over those present. A late method with parameters is one of
    ``LearnsToCombine``.
    """

    kind: ClassVar[Literal["static", "learnt", "late"]]
    version: ClassVar[int]
    out_dim: int

    def __call__(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, out_dim) from ``features``, (B, D) each, and ``present``, (B,) bool each."""


@runtime_checkable
class FitsRows(Protocol):
    """A static method that is fitted: it keeps this in buffers whose shapes ``in_dims`` and its options decide."""

    def fit(self, train: Batches) -> None:
        """Learn from the train rows; called once."""


@runtime_checkable
class LearnsToCombine(Protocol):
    """A late method whose parameters are learnt from predictions for rows that were left out of training.

    ``least_dropped`` is the least chance at which a modality of a row is then taken for absent in half of the loss.
    """

    least_dropped: float

    def penalty(self) -> Tensor:
        """Return what is added to the sum of the rows' losses."""


@runtime_checkable
class WeighsModalities(Protocol):
    """A method that weighs whole modalities; of what is made of methods, ``mmcli.models.abilities.Weighs`` asks it."""

    def modality_weights(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), a column for each modality in sorted order, zero where it is absent."""
