"""The transforms of preprocess, extract-features and fuse: they map batches in memory and never touch the disk."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from mmcli.runtime import Runtime
from mmcli.store.artifact import TransformRecord
from mmcli.store.columns import Array, Batch, ModalitySpec
from mmcli.store.state import State


class Lookup(Protocol):
    """Finds items of earlier runs by content key."""

    def position(self, modality: str, key: bytes) -> int | None:
        """Return the position of the item with this key, or None."""
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
        """Raise KeyError: there are no items."""
        raise KeyError((modality, position))


class Transform(Protocol):
    """A step of the chain: batch in, batch out."""

    stage: ClassVar[str]
    version: ClassVar[int]

    def config(self) -> dict[str, Any]:
        """Return the options that its results depend on, as JSON values."""

    def states(self) -> dict[str, State]:
        """Return its fitted state, by part."""

    def modalities(self) -> dict[str, ModalitySpec]:
        """Return the modalities it makes."""

    def apply(self, batch: Batch, runtime: Runtime, earlier: Lookup) -> Batch:
        """Return the batch with the columns it makes added."""


def record_of(transform: Transform) -> TransformRecord:
    """Return the record of a transform for an artifact."""
    digests = {part: state.digest() for part, state in sorted(transform.states().items())}
    return TransformRecord(transform.stage, transform.version, transform.config(), digests)
