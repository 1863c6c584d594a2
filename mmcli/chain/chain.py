"""The chain of transforms that made an artifact, applied in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from mmcli.chain.transforms import NothingEarlier
from mmcli.chain.transforms.extract_features import ExtractTransform
from mmcli.chain.transforms.fuse import FuseTransform
from mmcli.chain.transforms.preprocess import PreprocessTransform
from mmcli.errors import MmcliError
from mmcli.modalities import BesideTable, Media
from mmcli.runtime import Runtime
from mmcli.store.artifact import TransformRecord
from mmcli.store.columns import Batch, Column, ModalitySpec
from mmcli.store.state import State


class ChainHolder(Protocol):
    """Anything that keeps a chain: an artifact, samples, a model."""

    @property
    def chain(self) -> list[TransformRecord]:
        """The records, in the order in which they apply."""

    @property
    def modalities(self) -> Mapping[str, ModalitySpec]:
        """The modalities that the last of them made."""

    def states(self, record: TransformRecord) -> dict[str, State]:
        """What a transform learnt."""


class Chain:
    """Transforms in the order in which they apply.

    Args:
        holder: Keeps their records and states.
        media: Reads the files that cells name.
        id_column: The column that names a sample.

    Raises:
        MmcliError: A record is damaged, of another version of the code, or does not make what the holder has.
    """

    def __init__(self, holder: ChainHolder, media: Media, id_column: str) -> None:
        self.records = list(holder.chain)
        self.transforms: list[PreprocessTransform | ExtractTransform | FuseTransform] = []
        known: dict[str, ModalitySpec] = {}
        for record in self.records:
            states = holder.states(record)
            try:
                transform = _load(record, states, known, media, id_column)
                known |= transform.modalities()
            except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
                # What no transform wrote fails in any way when it is taken for its configuration.
                raise MmcliError(f"the record of {record.stage} is damaged; make the artifact again") from error
            self.transforms.append(transform)
        self.modalities: Mapping[str, ModalitySpec] = known
        for name, spec in holder.modalities.items():
            made = known.get(name)
            if made is None or (made.fingerprint, made.fields) != (spec.fingerprint, spec.fields):
                raise MmcliError(f"the chain does not make {name!r} as it was recorded; make the artifact again")

    def apply(self, batch: Batch, runtime: Runtime, done: frozenset[str] = frozenset()) -> Batch:
        """Return the batch after every transform but those whose fingerprints are ``done`` already."""
        for record, transform in zip(self.records, self.transforms, strict=True):
            if record.fingerprint not in done:
                batch = transform.apply(batch, runtime, NothingEarlier())
        return batch

    def decode(self, batch: Batch, runtime: Runtime) -> Batch:
        """Return raw rows as preprocess stores them."""
        return self.apply(batch, runtime, frozenset(record.fingerprint for record in self.records) - self.decoding())

    def decoding(self) -> frozenset[str]:
        """Return the fingerprints of the transforms that make stored values of raw rows."""
        both = zip(self.records, self.transforms, strict=True)
        return frozenset(record.fingerprint for record, made in both if isinstance(made, PreprocessTransform))

    def expected(self, columns: Mapping[str, Column], done: frozenset[str]) -> dict[str, Column]:
        """Return the presence and keys of what ``apply`` would make of stored columns, computing no values."""
        found = dict(columns)
        for record, transform in zip(self.records, self.transforms, strict=True):
            if record.fingerprint not in done and not isinstance(transform, PreprocessTransform):
                found |= transform.expected(found)
        return found

    def read_otherwise(self) -> dict[str, tuple[int, int]]:
        """Return the modalities that this mmcli reads by another version of its code: the recorded one, and its own."""
        found: dict[str, tuple[int, int]] = {}
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                found |= transform.read_otherwise()
        return found

    def arrays(self) -> dict[str, BesideTable]:
        """Return the modalities that are read from an array beside the table."""
        made = [transform for transform in self.transforms if isinstance(transform, PreprocessTransform)]
        return {name: part for transform in made for name, part in transform.arrays().items()}

    def leave_out(self, names: Collection[str]) -> None:
        """Take these modalities for missing in all raw rows."""
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                transform.left_out = frozenset(names)

    def watch(self) -> None:
        """Look from now on for values of raw rows that are strange to the train rows."""
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                transform.watch()

    def strange(self) -> list[str]:
        """Return in what most values of a column were strange to the train rows, a sentence each."""
        made = [transform for transform in self.transforms if isinstance(transform, PreprocessTransform)]
        return [text for transform in made for text in transform.strange()]

    def tell_lacking(self) -> None:
        """Let what is said of raw rows tell rows without a modality's columns from those whose cells are empty."""
        for transform in self.transforms:
            if isinstance(transform, PreprocessTransform):
                transform.names_lacking = True

    def raw_columns(self) -> dict[str, tuple[str, ...]]:
        """Return the columns of raw rows that each modality is made from."""
        return {
            name: part.columns
            for transform in self.transforms
            if isinstance(transform, PreprocessTransform)
            for name, part in transform.preprocessors.items()
        }


def check_same_chain(name: str, chain: list[TransformRecord], model: list[TransformRecord]) -> frozenset[str]:
    """Return the fingerprints of a source's chain, all of which must be in the model's.

    Raises:
        MmcliError: A transform of the source is none of the model's: its features mean something else.
    """
    known = {record.fingerprint for record in model}
    for record in chain:
        if record.fingerprint not in known:
            raise MmcliError(
                f"{name}: its {record.stage} differs from the one the model was trained on (other options, "
                "other fitted state or other weights); give the model raw rows, or the artifacts it was trained on"
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
            f"{record.stage} was made by version {record.version} of its code, this mmcli has {transform.version}; "
            "make the artifact again"
        )
    return transform
