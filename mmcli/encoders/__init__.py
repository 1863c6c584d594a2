"""Encoders, the names of ``--encoder`` and ``--use``, one per file. Shared building blocks are in models."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec


class Encoder(Protocol):
    """A torch module that maps one stored modality to features: frozen in extract-features, trained in train.

    The constructor's first argument is the modality's spec. Options are its keyword-only arguments, stored unchanged;
    the caller passes ``seed`` for random weights. A family, such as ``hf``, also takes ``argument``: the text after the
    colon in its name.

    ``origin`` says where the weights come from and what they were trained on, ``licence`` gives their licence; both
    are "" for an encoder that is only trained from scratch.

    Optional abilities are in ``mmcli.models.abilities``: ``TellsLoading``, ``MasksSpectrogram``, ``ReadsTokens``, and
    ``Folds`` followed by ``Packs``, which are applied to the frozen copy, the second after it was cast to its
    precision. Class constants say what must be known without importing the class: ``reads_text``, that it reads the
    text instead of its tokens, and ``argument_is_place``, that a family's argument says where the weights are, not what
    they are.
    """

    kinds: ClassVar[tuple[str, ...]]
    version: ClassVar[int]
    origin: ClassVar[str]
    licence: ClassVar[str]

    def __init__(self, inputs: ModalitySpec, *, seed: int = 0) -> None: ...

    def output(self) -> FieldSpec:
        """Return the form of the features: (D,), a map (C, H, W), or a sequence of steps (D,)."""

    def lengths(self, column: Column) -> Array | None:
        """Return the padded length of each row, (B,), which depends only on that row; None if all shapes are equal.

        Batches are made of rows of the same padded length, so that a row's features do not depend on its neighbours.
        """

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the inputs of ``forward``, batch first, on the CPU; sequences padded or cut to ``length`` steps."""

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return features (B, D) or (B, C, H, W), or a sequence (B, T, D) with its lengths (B,).

        Stored values are scaled here, on the device. A row of length zero gives finite values.
        """

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of each file that was read, by option name."""


@runtime_checkable
class PublishedAt(Protocol):
    """An encoder class whose weights have an address."""

    url: str


@runtime_checkable
class PublishedAs(Protocol):
    """An encoder class whose weights are a named file of its library."""

    file: str
