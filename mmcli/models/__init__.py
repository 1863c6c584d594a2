"""Networks: encoders, one a file, heads, and the network that composes them with a fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.store.columns import FieldSpec, ModalitySpec


class Encoder(Protocol):
    """A torch module from one stored modality to features.

    Options are the constructor's keyword-only arguments, stored unchanged; ``seed`` among them is given by the
    caller, for weights that are drawn at random.
    """

    kinds: ClassVar[tuple[str, ...]]
    version: ClassVar[int]
    licence: ClassVar[str]

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features."""

    def forward(self, values: Tensor) -> Tensor:
        """Return the features of stored values, (B, ...); whatever scaling they need is done here."""

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of each file it was read from, by option name."""
