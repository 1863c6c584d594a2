"""What preprocess, extract-features and fuse do to a batch: configuration and fitted state, no disk."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from mmcli.runtime import Runtime
from mmcli.store.artifact import TransformRecord
from mmcli.store.columns import Array, Batch, ModalitySpec
from mmcli.store.state import State


class Lookup(Protocol):
    """Finds items that were computed before, by content key."""

    def position(self, modality: str, key: bytes) -> int | None:
        """Return where an item with this key lies, or None."""
        ...

    def item(self, modality: str, position: int) -> dict[str, Array]:
        """Return the tensors of the item at a position, by field."""


class NothingEarlier:
    """A Lookup that finds nothing."""

    def position(self, modality: str, key: bytes) -> int | None:
        """Find nothing."""
        del modality, key
        return None

    def item(self, modality: str, position: int) -> dict[str, Array]:
        """There is no item, so no position to ask for."""
        raise KeyError((modality, position))


class Transform(Protocol):
    """A step of the chain: batch in, batch out."""

    stage: ClassVar[str]
    version: ClassVar[int]

    def config(self) -> dict[str, Any]:
        """Return everything it was told that its results depend on, as JSON values."""

    def states(self) -> dict[str, State]:
        """Return what it learnt, by part."""

    def modalities(self) -> dict[str, ModalitySpec]:
        """Return the modalities it makes."""

    def apply(self, batch: Batch, runtime: Runtime, earlier: Lookup) -> Batch:
        """Return the batch with the columns it makes beside those it was given."""


def record_of(transform: Transform) -> TransformRecord:
    """Return what an artifact keeps of a transform."""
    digests = {part: state.digest() for part, state in sorted(transform.states().items())}
    return TransformRecord(transform.stage, transform.version, transform.config(), digests)
