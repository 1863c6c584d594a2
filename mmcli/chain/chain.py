"""The chain of transforms that made an artifact, applied in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from mmcli.chain.transforms import NothingEarlier
from mmcli.chain.transforms.extract_features import ExtractTransform
from mmcli.chain.transforms.fuse import FuseTransform
from mmcli.chain.transforms.preprocess import PreprocessTransform
from mmcli.errors import MmcliError
from mmcli.modalities import BesideTable, Media, Preprocessor
from mmcli.runtime import Runtime
from mmcli.store.artifact import TransformRecord
from mmcli.store.columns import Batch, Column, ModalitySpec
from mmcli.store.state import State


class ChainHolder(Protocol):
    """Anything with a chain: an artifact, samples or a model."""

    @property
    def chain(self) -> list[TransformRecord]:
        """The records, in order of application."""

    @property
    def modalities(self) -> Mapping[str, ModalitySpec]:
        """The modalities that the chain made."""

    def states(self, record: TransformRecord) -> dict[str, State]:
        """Return the fitted state of a transform."""


class Chain:
    """Transforms in order of application.

    Args:
        holder: Holds their records and states.
        media: Reads the files named in cells.
        id_column: The column of sample ids.

    Raises:
        MmcliError: A record is damaged, has another code version, or does not produce the holder's modalities.
    """

    def __init__(self, holder: ChainHolder, media: Media, id_column: str) -> None:
        self.media = media
        self.records = list(holder.chain)
        self.transforms: list[PreprocessTransform | ExtractTransform | FuseTransform] = []
        known: dict[str, ModalitySpec] = {}
        for record in self.records:
            states = holder.states(record)
            try:
                transform = _load(record, states, known, media, id_column)
                known |= transform.modalities()
            except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
                # A damaged configuration may raise any of these.
                raise MmcliError(f"the record of {record.stage} is damaged; make the artifact again") from error
            self.transforms.append(transform)
        self.modalities: Mapping[str, ModalitySpec] = known
        for name, spec in holder.modalities.items():
            made = known.get(name)
            if made is None or (made.fingerprint, made.fields) != (spec.fingerprint, spec.fields):
                raise MmcliError(f"the chain does not reproduce {name!r} as recorded; make the artifact again")

    def apply(self, batch: Batch, runtime: Runtime, done: frozenset[str] = frozenset()) -> Batch:
        """Apply every transform whose fingerprint is not in ``done``."""
        for record, transform in zip(self.records, self.transforms, strict=True):
            if record.fingerprint not in done:
                batch = transform.apply(batch, runtime, NothingEarlier())
        return batch

    def decode(self, batch: Batch, runtime: Runtime) -> Batch:
        """Apply only preprocess to raw rows."""
        return self.apply(batch, runtime, frozenset(record.fingerprint for record in self.records) - self.decoding())

    def decoding(self) -> frozenset[str]:
        """Return the fingerprints of the preprocess transforms."""
        both = zip(self.records, self.transforms, strict=True)
        return frozenset(record.fingerprint for record, made in both if isinstance(made, PreprocessTransform))

    def expected(self, columns: Mapping[str, Column], done: frozenset[str]) -> dict[str, Column]:
        """Return the presence and keys of the columns that ``apply`` would make, without computing values."""
        found = dict(columns)
        for record, transform in zip(self.records, self.transforms, strict=True):
            if record.fingerprint not in done and not isinstance(transform, PreprocessTransform):
                found |= transform.expected(found)
        return found

    def read_otherwise(self) -> dict[str, tuple[int, int]]:
        """Return the modalities whose reader has changed, each with its recorded version and the current one."""
        found: dict[str, tuple[int, int]] = {}
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                found |= transform.read_otherwise()
        return found

    def arrays(self) -> dict[str, BesideTable]:
        """Return the modalities that are read from an array outside the table."""
        made = [transform for transform in self.transforms if isinstance(transform, PreprocessTransform)]
        return {name: part for transform in made for name, part in transform.arrays().items()}

    def leave_out(self, names: Collection[str]) -> None:
        """Treat these modalities as missing in all raw rows."""
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                transform.left_out = frozenset(names)

    def watch(self) -> None:
        """Start looking for values in raw rows that are unusual compared with the train rows."""
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                transform.watch()

    def strange(self) -> list[str]:
        """Return one sentence for each column in which most values were unusual."""
        made = [transform for transform in self.transforms if isinstance(transform, PreprocessTransform)]
        return [text for transform in made for text in transform.strange()]

    def tell_lacking(self) -> None:
        """Let the ledger distinguish rows without a modality's columns from rows with empty cells."""
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                transform.names_lacking = True

    def readers(self) -> dict[str, Preprocessor]:
        """Return the reader of each modality of raw rows."""
        made = [transform for transform in self.transforms if isinstance(transform, PreprocessTransform)]
        return {name: part for transform in made for name, part in transform.preprocessors.items()}

    def decoded(self) -> dict[str, ModalitySpec]:
        """Return the modalities that preprocess makes."""
        made = [transform for transform in self.transforms if isinstance(transform, PreprocessTransform)]
        return {name: spec for transform in made for name, spec in transform.modalities().items()}

    def raw_columns(self) -> dict[str, tuple[str, ...]]:
        """Return the columns of raw rows that each modality is made from."""
        return {name: part.columns for name, part in self.readers().items()}


def check_same_chain(name: str, chain: list[TransformRecord], model: list[TransformRecord]) -> frozenset[str]:
    """Check that every transform of a source is one of the model's; return their fingerprints.

    Raises:
        MmcliError: A transform of the source is not in the model's chain, so its features mean something else.
    """
    known = {record.fingerprint for record in model}
    for record in chain:
        if record.fingerprint not in known:
            raise MmcliError(
                f"{name}: its {record.stage} differs from that of the model's training data (other options, "
                "fitted state or weights); give the model raw rows, or artifacts made like those it was trained on"
            )
    return frozenset(record.fingerprint for record in chain)


def _load(
    record: TransformRecord,
    states: Mapping[str, State],
    known: Mapping[str, ModalitySpec],
    media: Media,
    id_column: str,
) -> PreprocessTransform | ExtractTransform | FuseTransform:
    transform: PreprocessTransform | ExtractTransform | FuseTransform
    if record.stage == PreprocessTransform.stage:
        transform = PreprocessTransform.load(record.config, states, media, id_column)
    elif record.stage == ExtractTransform.stage:
        transform = ExtractTransform.load(record.config, states, known)
    else:
        transform = FuseTransform.load(record.config, states, known)
    if transform.version != record.version:
        raise MmcliError(
            f"{record.stage} was made by version {record.version} of its code, but this mmcli has version "
            f"{transform.version}; make the artifact again"
        )
    return transform
