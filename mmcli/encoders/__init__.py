"""Encoders: what ``--encoder`` and ``--use`` name, one a file. What several are built of lies in models."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec


class Encoder(Protocol):
    """A torch module from one stored modality to features: frozen in extract-features, or trained in train.

    It is made from the modality's spec, its first argument. Options are the constructor's keyword-only arguments,
    stored unchanged; ``seed`` among them is given by the caller, for weights that are drawn at random. A family, such
    as ``hf``, also takes ``argument``: what a person writes after its name.

    ``origin`` says where the weights come from and what they were trained on, ``licence`` theirs; both are "" for an
    encoder that is only ever trained from scratch.

    What only some can is in ``mmcli.models.abilities``: ``TellsLoading``, ``MasksSpectrogram``, and ``Folds`` and then
    ``Packs``, which are asked of the copy that runs frozen, the second once it has its precision. Constants of the
    class say what must be known without importing it: ``reads_text``, that it looks at the text where others look at
    its tokens, and ``argument_is_place``, that a family's argument says where weights lie, not what they are.
    """

    kinds: ClassVar[tuple[str, ...]]
    version: ClassVar[int]
    origin: ClassVar[str]
    licence: ClassVar[str]

    def __init__(self, inputs: ModalitySpec, *, seed: int = 0) -> None: ...

    def output(self) -> FieldSpec:
        """Return the form of the features: (D,), a map (C, H, W), or a sequence of steps (D,)."""

    def lengths(self, column: Column) -> Array | None:
        """Return to what length each row is filled up, (B,), by its own length alone; None where all are of one shape.

        Rows of the same such length make a batch, so that a row's features do not depend on the rows beside it.
        """

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return what ``forward`` takes, first axis B, on the CPU; sequences filled up, or cut, to ``length`` steps."""

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return features (B, D) or (B, C, H, W), or a sequence (B, T, D) with its lengths (B,).

        Whatever scaling the stored values need is done here, on the device. A row of length zero gives finite values.
        """

    def assets(self) -> dict[str, str]:
        """Return the SHA-256 of each file it was read from, by option name."""


@runtime_checkable
class PublishedAt(Protocol):
    """An encoder class whose weights have an address."""

    url: str


@runtime_checkable
class PublishedAs(Protocol):
    """An encoder class whose weights are a file of its library's."""

    file: str
