"""Optional abilities of the parts of a network, one type each, tested with ``isinstance``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

Weigh = Callable[[Mapping[str, Any], Mapping[str, Any]], "Tensor"]


@runtime_checkable
class Weighs(Protocol):
    """A fusion that can return each modality's weight, (B, M); None if the method inside cannot."""

    modality_weights: Weigh | None


@runtime_checkable
class TakesSequences(Protocol):
    """A fusion that can take the steps of sequences."""

    sequences: bool


@runtime_checkable
class Embeds(Protocol):
    """A fusion with an embedding space shared by the modalities."""

    def embed(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, D), one embedding per modality."""


class HoldsMethod:
    """A module used as the fusion that contains a fusion method.

    A base class, because from Python 3.12 on ``isinstance`` does not find a torch submodule by its attribute name.
    """

    method: nn.Module


@runtime_checkable
class IsTaught(Protocol):
    """A head trained by teacher forcing, which generates its own output without targets."""

    def teach(self, fused: Any, targets: Tensor) -> Tensor:
        """Return the outputs given the targets (B, …)."""


@runtime_checkable
class HasHidden(Protocol):
    """A head with a last layer that can be left out."""

    def hidden(self, fused: Tensor) -> Tensor:
        """Return the input of the last layer, (B, H), from (B, D)."""


@runtime_checkable
class FitsAtOnce(Protocol):
    """A head that is fitted to all rows at once, not in epochs."""

    def fit(self, fused: Any, encoded: Any, weight: Any) -> str | None:
        """Fit to fused rows (N, D) and optional output weights (K,); return a note to report, if any."""


@runtime_checkable
class Folds(Protocol):
    """A network that can be made faster for inference."""

    def fold(self) -> None:
        """Simplify the network, for example by folding batch norms into the preceding convolutions."""


@runtime_checkable
class Packs(Protocol):
    """A network whose layers can be prepacked for many batches on a CPU."""

    def pack(self, rows: int) -> None:
        """Prepack them for batches of ``rows``."""


@runtime_checkable
class MasksSpectrogram(Protocol):
    """An encoder that computes a spectrogram and masks parts of it in training, with this strength, 0 to 1."""

    spec_augment: float


@runtime_checkable
class ReadsTokens(Protocol):
    """An encoder of token ids (B, T), 0 for padding, of which it takes lengths (B,) too."""

    def token_vectors(self) -> nn.Module:
        """Return its first layer, which turns ids into vectors (B, T, D)."""


@runtime_checkable
class TellsLoading(Protocol):
    """A network that had to guess how the weights in a file fit."""

    loaded: str


def weigher(fusion: object) -> Weigh | None:
    """Return the function that gives each modality's weight; None if a fusion has none."""
    return fusion.modality_weights if isinstance(fusion, Weighs) else None


def takes_sequences(fusion: object) -> bool:
    """Return whether a fusion takes the steps of sequences."""
    return isinstance(fusion, TakesSequences) and fusion.sequences
