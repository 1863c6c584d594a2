"""What only some parts of a network can: each ability a type, asked for with ``isinstance``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

Weigh = Callable[[Mapping[str, Any], Mapping[str, Any]], "Tensor"]


@runtime_checkable
class Weighs(Protocol):
    """A fusion that can say how much each modality counts, (B, M); None where what it is made of cannot."""

    modality_weights: Weigh | None


@runtime_checkable
class TakesSequences(Protocol):
    """A fusion that may take the steps of sequences."""

    sequences: bool


@runtime_checkable
class Embeds(Protocol):
    """A fusion with a space that modalities share."""

    def embed(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, D), a place for each modality."""


class HoldsMethod:
    """Stands in a fusion's place, and has a fusion method inside.

    A base class: a part of a torch module is no attribute that ``isinstance`` finds by its name, from Python 3.12 on.
    """

    method: nn.Module


@runtime_checkable
class IsTaught(Protocol):
    """A head that learns from the targets that it is told, and writes something of its own without them."""

    def teach(self, fused: Any, targets: Tensor) -> Tensor:
        """Return what it makes of targets (B, …) that it is told."""


@runtime_checkable
class FitsAtOnce(Protocol):
    """A head that is fitted to all rows at once, not by epochs."""

    def fit(self, fused: Any, encoded: Any, weight: Any) -> str | None:
        """Learn from fused rows (N, D) and the weight of each output (K,), or None; return what is to be told."""


@runtime_checkable
class Folds(Protocol):
    """A network that can be made faster where it is not trained."""

    def fold(self) -> None:
        """Make batch norms, say, part of the convolutions before them."""


@runtime_checkable
class Packs(Protocol):
    """A network whose layers can be prepared for many batches on a CPU."""

    def pack(self, rows: int) -> None:
        """Prepare them for batches of ``rows``."""


@runtime_checkable
class MasksSpectrogram(Protocol):
    """An encoder that makes a spectrogram, and masks parts of it in training, as strongly as this says, 0 to 1."""

    spec_augment: float


@runtime_checkable
class TellsLoading(Protocol):
    """A network that had to guess how the weights in a file fit."""

    loaded: str


def weigher(fusion: object) -> Weigh | None:
    """Return what says how much each modality counts; None where a fusion does not."""
    return fusion.modality_weights if isinstance(fusion, Weighs) else None


def takes_sequences(fusion: object) -> bool:
    """Return whether a fusion takes the steps of sequences."""
    return isinstance(fusion, TakesSequences) and fusion.sequences
