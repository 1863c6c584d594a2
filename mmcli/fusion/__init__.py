"""Fusion: combines the features of several modalities, any of which may be absent, into one vector per row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor

Feature = Tensor | tuple[Tensor, Tensor]
"""Vectors (B, D), or a sequence: values (B, T, D) and lengths (B,); steps past a row's length are padding."""
Batches = Callable[[], Iterable[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]]
"""Each call iterates over the train rows, in batches of features (B, D) and presence (B,) by modality."""
Link = Literal["softmax", "sigmoid", "identity"]
"""How outputs become predictions: class probabilities, label probabilities, or numbers."""


class Fusion(Protocol):
    """The interface of every registered method, a ``torch.nn.Module``.

    Its constructor takes ``in_dims``, the width of each modality by name, and its options. Modalities are used in the
    sorted order of their names; the order of a mapping does not matter. Values of absent modalities and padding, NaN
    included, affect neither the result nor a gradient; a row without any modality gives zeros or a learnt value.
    ``static`` methods do not learn from labels; ``learnt`` methods are trained as part of the network; ``late`` methods
    combine the outputs of one head per modality, (B, K) each, and also take ``link``.

    A learnt method with the class attribute ``equal_widths = True`` needs modalities of equal width, to which the
    network projects them. With ``sequences = True`` it also takes sequences: values (B, T, D) with lengths (B,), where
    a vector (B, D) is a sequence of one step. All other methods get pooled sequences.

    A static method with ``fitted = True`` learns from train rows without their labels and implements ``FitsRows``. If
    it has a space shared by the modalities, it implements ``mmcli.models.abilities.Embeds``, with zeros for an absent
    modality; its result is the mean over the modalities present. A late method with parameters implements
    ``LearnsToCombine``.
    """

    kind: ClassVar[Literal["static", "learnt", "late"]]
    version: ClassVar[int]
    out_dim: int

    def __call__(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, out_dim) from ``features``, (B, D) each, and ``present``, (B,) bool each."""


@runtime_checkable
class FitsRows(Protocol):
    """A fitted static method; its state is in buffers whose shapes follow from ``in_dims`` and its options."""

    def fit(self, train: Batches) -> None:
        """Learn from the train rows; called once."""


@runtime_checkable
class LearnsToCombine(Protocol):
    """A late method whose parameters are learnt from predictions for held-out rows.

    ``least_dropped`` is the minimum probability of dropping a modality of a row in half of the loss.
    """

    least_dropped: float

    def penalty(self) -> Tensor:
        """Return the penalty to add to the sum of the rows' losses."""


@runtime_checkable
class WeighsModalities(Protocol):
    """A method that gives each modality a weight; see ``mmcli.models.abilities.Weighs`` for modules around methods."""

    def modality_weights(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M), one column per modality in sorted order, zero if absent."""
