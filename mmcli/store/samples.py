"""Samples: rows with their tensors, from a folder, from several joined by id, or as a pipe brings them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.artifact import Artifact, Roles, TransformRecord, empty_column
from mmcli.store.columns import Array, Batch, Column, LedgerEntry, ModalitySpec, Row, concatenate
from mmcli.store.keys import file_digest, fingerprint
from mmcli.store.rows import RowFile, dump_row, parse_row
from mmcli.store.state import State

ARTIFACT, ROW, STATUS = "artifact", "row", "status"
OWN_COLUMNS = (ARTIFACT, ROW, STATUS)


@dataclass(frozen=True)
class Part:
    """Where the tensors of some modalities lie: for each sample an artifact and a row of it (-1: none)."""

    artifacts: list[Artifact]
    artifact_of: Array
    row_of: Array

    @property
    def modalities(self) -> dict[str, ModalitySpec]:
        """The modalities of these artifacts, which all have the same."""
        return self.artifacts[0].modalities

    def column(self, name: str, start: int, stop: int) -> Column:
        """Return a modality's column for the samples from ``start`` to ``stop``."""
        which, rows = self.artifact_of[start:stop], self.row_of[start:stop]
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


@dataclass
class Samples:
    """Rows in order, their tensors, and the chain of transforms that made these.

    Args:
        name: What to call it in messages.
        rows: The rows with their raw columns; also ``row`` and ``status``.
        parts: Where the tensors are.
        digest: A hash of everything in it.
    """

    name: str
    rows: RowFile
    parts: list[Part]
    digest: str

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def first(self) -> Artifact:
        """The artifact whose roles and parameters count."""
        return self.parts[0].artifacts[0]

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return self.first.stage

    @property
    def roles(self) -> Roles:
        """Which columns say who a sample is and what is to be learnt."""
        return self.first.roles

    @property
    def modalities(self) -> dict[str, ModalitySpec]:
        """Every modality, of all parts."""
        return {name: spec for part in self.parts for name, spec in part.modalities.items()}

    @property
    def chain(self) -> list[TransformRecord]:
        """The transforms that made it, each once, in the order in which they apply."""
        chain: dict[str, TransformRecord] = {}
        for part in self.parts:
            for record in part.artifacts[0].chain:
                chain.setdefault(record.fingerprint, record)
        order = {"preprocess": 0, "extract-features": 1, "fuse": 2}
        return sorted(chain.values(), key=lambda record: order[record.stage])

    def states(self, record: TransformRecord) -> dict[str, State]:
        """Return what a transform of the chain learnt."""
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

    def splits(self) -> Array:
        """Return the split of every sample, (N,) of strings."""
        return np.array([row.get(self.roles.split) or "" for row in self.rows])

    def batch(self, start: int, stop: int, modalities: Sequence[str] | None = None) -> Batch:
        """Return the samples from ``start`` to ``stop`` with their columns."""
        return Batch(self.rows.rows(start, stop), self.columns(start, stop, modalities))

    def columns(self, start: int, stop: int, modalities: Sequence[str] | None = None) -> dict[str, Column]:
        """Return the columns of the samples from ``start`` to ``stop``."""
        return {
            name: part.column(name, start, stop)
            for part in self.parts
            for name in part.modalities
            if modalities is None or name in modalities
        }

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Cut the samples into ranges of ``size``, the last one smaller."""
        return ((start, min(start + size, len(self))) for start in range(0, len(self), size))

    def batch_with_reasons(self, start: int, stop: int) -> Batch:
        """Return a batch whose ledger says why inputs of these samples are not ok."""
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
            for number, artifact in enumerate(part.artifacts):
                entries = {(entry.row, entry.modality): entry for entry in artifact.ledger()}
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


def open_samples(source: str, stages: Iterable[str], limit: int | None = None) -> Samples:
    """Open an artifact's folder, or ``-`` for rows on standard input.

    Raises:
        MmcliError: There is none, it is of another stage than ``stages``, or the pipe brings nothing.
    """
    if source == "-" and sys.stdin.isatty():
        raise MmcliError("standard input is a terminal: pipe a manifest into it, or name an artifact's folder")
    samples = samples_of_rows(sys.stdin.buffer, limit) if source == "-" else _from_folder(Path(source), limit)
    accepted = list(stages)
    if samples.stage not in accepted:
        raise MmcliError(f"{samples.name}: an artifact of {samples.stage}, expected one of {' or '.join(accepted)}")
    return samples


def join_by_id(sources: Sequence[Samples]) -> Samples:
    """Join sources by the id of their samples; the first one says which samples there are, and their order.

    Raises:
        MmcliError: Two sources have a modality of the same name, or have no sample in common.
    """
    first = sources[0]
    if len(sources) == 1:
        return first
    ids = first.ids()
    parts = list(first.parts)
    taken = dict.fromkeys(first.modalities, first.name)
    for other in sources[1:]:
        for name in other.modalities:
            if name in taken:
                raise MmcliError(f"{taken[name]} and {other.name} both have the modality {name!r}; leave it out of one")
            taken[name] = other.name
        place = {identity: number for number, identity in enumerate(other.ids())}
        rows = np.array([place.get(identity, -1) for identity in ids], np.int64)
        if (rows < 0).all():
            raise MmcliError(f"{first.name} and {other.name} have no sample id in common")
        for part in other.parts:
            parts.append(
                Part(part.artifacts, np.where(rows < 0, 0, part.artifact_of[rows]),
                     np.where(rows < 0, -1, part.row_of[rows]))
            )  # fmt: skip
    return Samples(
        " + ".join(source.name for source in sources),
        first.rows,
        parts,
        fingerprint([s.digest for s in sources]),
    )


def _from_folder(path: Path, limit: int | None) -> Samples:
    artifact = Artifact(path)
    if not len(artifact):
        raise MmcliError(f"{path}: an artifact of {artifact.stage} holds no samples to work on")
    rows: RowFile = artifact.rows
    digest = artifact.digest
    if limit is not None and limit < len(artifact):
        spool = SpooledRows()
        for row in artifact.rows.rows(0, limit):
            spool.append(row)
        rows = spool.close()
        digest = fingerprint([digest, limit])
    count = len(artifact) if limit is None else min(limit, len(artifact))
    part = Part([artifact], np.zeros(count, np.int64), np.arange(count))
    return Samples(str(path), rows, [part], digest)


def samples_of_rows(lines: Iterable[bytes], limit: int | None = None) -> Samples:
    """Return the samples that a pipe's lines name by artifact and row.

    Raises:
        MmcliError: There is no line, one is damaged, or their artifacts do not go together.
    """
    artifacts: dict[str, Artifact] = {}
    which: list[int] = []
    places: list[int] = []
    spool = SpooledRows()
    for number, line in enumerate(lines, 1):
        if not line.strip() or (limit is not None and len(places) >= limit):
            continue  # past the limit we read on, so that the stage before does not fail on a closed pipe
        row = parse_row(line, f"standard input, line {number}")
        folder, place = row.pop(ARTIFACT, None), row.get(ROW)
        if not isinstance(folder, str) or not isinstance(place, int):
            raise MmcliError(
                f"standard input, line {number}: no {ARTIFACT!r} and {ROW!r}; "
                "expected rows as a stage writes them to a pipe"
            )
        artifact = artifacts.get(folder) or artifacts.setdefault(folder, Artifact(Path(folder)))
        if not 0 <= place < len(artifact):
            raise MmcliError(f"standard input, line {number}: row {place} is not in {folder} ({len(artifact)} rows)")
        which.append(list(artifacts).index(folder))
        places.append(place)
        spool.append(row)
    if not places:
        raise MmcliError("standard input brought no rows: did the stage before it fail?")
    opened = list(artifacts.values())
    for artifact in opened[1:]:
        if artifact.modalities != opened[0].modalities or artifact.header["chain"] != opened[0].header["chain"]:
            raise MmcliError(
                f"standard input: {opened[0].path} and {artifact.path} were made differently "
                "(other parameters or other fitted state) and do not go together"
            )
    part = Part(opened, np.array(which), np.array(places, np.int64))
    return Samples("standard input", spool.close(), [part], _pipe_digest(spool, part))


def _pipe_digest(rows: RowFile, part: Part) -> str:
    """A pipe that brings one artifact's rows unchanged is that artifact."""
    first = part.artifacts[0]
    content = file_digest(rows.path)
    if len(part.artifacts) == 1 and content == first.header["files"]["manifest.jsonl"]:
        return first.digest
    return fingerprint([content, [artifact.digest for artifact in part.artifacts], part.artifact_of.tolist()])


class SpooledRows(RowFile):
    """Rows kept in a temporary file that goes with the process."""

    def __init__(self) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="mmcli-", suffix=".jsonl")  # noqa: SIM115 - lives as long as we
        super().__init__(Path(self._file.name))

    def append(self, row: Row) -> None:
        """Add a row at the end."""
        self._file.write(dump_row(row))

    def close(self) -> SpooledRows:
        """Finish writing."""
        self._file.flush()
        return self
