"""Samples: rows with their tensors, from a folder, from several folders joined by id, or from a pipe."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.artifact import Artifact, Roles, TransformRecord, empty_column
from mmcli.store.columns import Array, Batch, Column, LedgerEntry, ModalitySpec, Row, concatenate
from mmcli.store.header import CHAIN_STAGES
from mmcli.store.rows import ChosenRows, RowFile
from mmcli.store.state import State

ARTIFACT, ROW, STATUS = "artifact", "row", "status"
SPLITS = ("train", "val", "test")
OWN_COLUMNS = (ARTIFACT, ROW, STATUS)


@dataclass(frozen=True)
class Part:
    """Where the tensors of some modalities are: an artifact and a row in it for each sample (-1: none)."""

    artifacts: list[Artifact]
    artifact_of: Array
    row_of: Array
    left_out: frozenset[str] = frozenset()

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return self.artifacts[0].path.name

    @property
    def modalities(self) -> dict[str, ModalitySpec]:
        """The modalities, the same in all artifacts, without those left out."""
        return {name: spec for name, spec in self.artifacts[0].modalities.items() if name not in self.left_out}

    def column(self, name: str, chosen: Array | slice) -> Column:
        """Return a modality's column for the chosen samples, in that order."""
        which, rows = self.artifact_of[chosen], self.row_of[chosen]
        if len(rows) and (rows >= 0).all() and (which == which[0]).all():
            return self.artifacts[int(which[0])].take(name, rows)
        pieces, places = [], []
        for number in np.unique(which):
            for there in (True, False):
                here = np.flatnonzero((which == number) & ((rows >= 0) == there))
                if len(here):
                    artifact = self.artifacts[int(number)]
                    found = artifact.take(name, rows[here]) if there else empty_column(self.modalities[name], len(here))
                    pieces.append(found)
                    places.append(here)
        if not pieces:
            return empty_column(self.modalities[name], 0)
        return concatenate(pieces).take(np.argsort(np.concatenate(places)))

    def present(self, name: str, chosen: Array | slice) -> Array:
        """Return whether each of the chosen samples has the modality, (B,) bool."""
        which, rows = self.artifact_of[chosen], self.row_of[chosen]
        found = np.zeros(len(rows), bool)
        for number in np.unique(which):
            here = (which == number) & (rows >= 0)
            found[here] = self.artifacts[int(number)].present(name, rows[here])
        return found

    def pieces(self, name: str, chosen: Array) -> Iterator[tuple[Array, Array, Column]]:
        """Yield the mapped columns that hold some of the chosen samples; see ``Artifact.pieces``."""
        which, rows = self.artifact_of[chosen], self.row_of[chosen]
        for number in np.unique(which):
            there = np.flatnonzero((which == number) & (rows >= 0))
            for here, places, column in self.artifacts[int(number)].pieces(name, rows[there]):
                yield there[here], places, column


@dataclass
class Samples:
    """Rows in order, their tensors, and the chain of transforms that made them.

    Args:
        name: The name in messages.
        rows: The rows with their raw columns, ``row`` and ``status``.
        parts: Where the tensors are.
        digest: A hash of all rows and tensors.
    """

    name: str
    rows: RowFile
    parts: list[Part]
    digest: str

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def first(self) -> Artifact:
        """The artifact whose roles and parameters apply."""
        return self.parts[0].artifacts[0]

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return self.first.stage

    @property
    def roles(self) -> Roles:
        """The columns of ids, splits, targets and groups."""
        return self.first.roles

    @property
    def modalities(self) -> dict[str, ModalitySpec]:
        """The modalities of all parts."""
        return {name: spec for part in self.parts for name, spec in part.modalities.items()}

    @property
    def chain(self) -> list[TransformRecord]:
        """The distinct transforms that made it, in order of application."""
        chain: dict[str, TransformRecord] = {}
        for part in self.parts:
            for record in part.artifacts[0].chain:
                chain.setdefault(record.fingerprint, record)
        return sorted(chain.values(), key=lambda record: CHAIN_STAGES.index(record.stage))

    def states(self, record: TransformRecord) -> dict[str, State]:
        """Return the fitted state of a transform of the chain."""
        holder = next(
            part.artifacts[0]
            for part in self.parts
            if record.fingerprint in {known.fingerprint for known in part.artifacts[0].chain}
        )
        return holder.states(record)

    def ids(self) -> list[str]:
        """Return the id of every sample."""
        return [self.id_of(row) for row in self.rows]

    def id_of(self, row: Row) -> str:
        """Return the id of a row.

        Raises:
            MmcliError: It has none.
        """
        if self.roles.id not in row:
            raise MmcliError(f"{self.name}: a row without its id (column {self.roles.id!r})")
        return str(row[self.roles.id])

    def choose(self, chosen: Array) -> Samples:
        """Return the samples at these positions, in that order, with unchanged name and digest."""
        parts = [replace(part, artifact_of=part.artifact_of[chosen], row_of=part.row_of[chosen]) for part in self.parts]
        return replace(self, rows=ChosenRows(self.rows, chosen), parts=parts)

    def lacking(self) -> list[tuple[str, int]]:
        """Return the folder of every joined source that lacks samples, and how many it lacks."""
        counts = [(part.folder, int((part.row_of < 0).sum())) for part in self.parts if part.modalities]
        return [(folder, count) for folder, count in counts if count]

    def splits(self) -> Array:
        """Return the split of every sample, (N,) of strings.

        Raises:
            MmcliError: A split is not train, val or test.
        """
        codes = array("B")
        for row in self.rows:
            value = row.get(self.roles.split)
            if not isinstance(value, str) or value not in SPLITS:
                raise MmcliError(
                    f"{self.name}: a row's split (column {self.roles.split!r}) is {str(value)[:60]!r}, expected "
                    f"{', '.join(SPLITS)}"
                )
            codes.append(SPLITS.index(value))
        return np.array(SPLITS)[np.frombuffer(codes, np.uint8)]

    def batch(self, start: int, stop: int, modalities: Sequence[str] | None = None) -> Batch:
        """Return the samples from ``start`` to ``stop`` with their columns."""
        return Batch(self.rows.rows(start, stop), self.columns(start, stop, modalities))

    def columns(self, start: int, stop: int, modalities: Sequence[str] | None = None) -> dict[str, Column]:
        """Return the columns of the samples from ``start`` to ``stop``."""
        return {
            name: part.column(name, slice(start, stop))
            for part in self.parts
            for name in part.modalities
            if modalities is None or name in modalities
        }

    def column(self, name: str, chosen: Array) -> Column:
        """Return one modality's column for the chosen samples, in that order."""
        return self._part(name).column(name, chosen)

    def present(self, name: str, chosen: Array | slice) -> Array:
        """Return whether each of the chosen samples has the modality, (B,) bool."""
        return self._part(name).present(name, chosen)

    def pieces(self, name: str, chosen: Array) -> Iterator[tuple[Array, Array, Column]]:
        """Yield the complete mapped column of every shard that holds some of the chosen samples, without copying.

        Yields:
            The positions in ``chosen`` of those in the shard, (P,), their positions in its column, (P,), and it.
        """
        return self._part(name).pieces(name, chosen)

    def _part(self, name: str) -> Part:
        return next(part for part in self.parts if name in part.modalities)

    def keep_mapped(self) -> None:
        """Keep every shard mapped after its first use, for repeated random access."""
        for part in self.parts:
            for artifact in part.artifacts:
                artifact.keep_mapped()

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Cut the samples into ranges of ``size``, the last one smaller."""
        return ((start, min(start + size, len(self))) for start in range(0, len(self), size))

    def batch_with_reasons(self, start: int, stop: int) -> Batch:
        """Return a batch with the ledger entries of its samples."""
        found = self.batch(start, stop)
        ledger = [
            replace(self.reasons[row, name], row=row - start, id=self.id_of(found.rows[row - start]))
            for row in range(start, stop)
            for name in self.modalities
            if (row, name) in self.reasons
        ]
        return Batch(found.rows, found.columns, ledger)

    @cached_property
    def reasons(self) -> dict[tuple[int, str], LedgerEntry]:
        """Return the ledger entry of each (sample, modality) that is not ok."""
        found: dict[tuple[int, str], LedgerEntry] = {}
        for part in self.parts:
            for absent in np.flatnonzero(part.row_of < 0).tolist():
                for name in part.modalities:
                    found[absent, name] = LedgerEntry(absent, "", name, "missing", f"not in {part.folder}")
            for number, artifact in enumerate(part.artifacts):
                entries = {(entry.row, entry.modality): entry for entry in artifact.ledger() if entry.column is None}
                if not entries:
                    continue
                by_row: dict[int, list[LedgerEntry]] = {}
                for entry in entries.values():
                    if entry.row < 0:
                        continue  # of a sample that was dropped
                    by_row.setdefault(entry.row, []).append(entry)
                for sample in np.flatnonzero(part.artifact_of == number):
                    for entry in by_row.get(int(part.row_of[sample]), []):
                        found[int(sample), entry.modality] = entry
        return found
