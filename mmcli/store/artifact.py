"""An artifact, the output folder of a stage, opened for reading."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.plugins import identity_of, is_origin
from mmcli.store.checks import TEXT, Record, check, one_of, or_null, whole_number
from mmcli.store.columns import (
    KEY_BYTES,
    Array,
    Column,
    Dense,
    LedgerEntry,
    ModalitySpec,
    Ragged,
    Tensor,
    concatenate,
)
from mmcli.store.header import HEADER, MANIFEST, STATUSES, read_header
from mmcli.store.keys import file_digest, fingerprint
from mmcli.store.labels import EmptyTarget
from mmcli.store.rows import RowFile
from mmcli.store.state import State
from mmcli.store.tensors import Shard

RUN = "run.json"
_OPEN_SHARDS = 8
AGAIN = "make the artifact again with --fresh"
_ENTRY = Record(
    {
        "row": whole_number(-1),
        "id": TEXT,
        "modality": TEXT,
        "status": one_of(STATUSES),
        "reason": TEXT,
    },
    {"path": or_null(TEXT), "column": or_null(TEXT), "value": or_null(TEXT)},
)


@dataclass(frozen=True)
class Roles:
    """The columns that hold a sample's id, split, target or targets, and group.

    Args:
        id: Column of sample ids.
        split: Column of splits: train, val or test.
        target: The column or columns to be learnt.
        group: Column of groups; samples of one group stay in one split.
        empty_target: How to treat a train or val row without a target: as an ``error``, as a row to ``drop``, or as
            one that has ``none`` of the labels.
    """

    id: str
    split: str
    target: str | Sequence[str] | None = None
    group: str | None = None
    empty_target: EmptyTarget = "error"

    def to_json(self) -> dict[str, Any]:
        """Return the form that ``artifact.json`` holds."""
        told = dataclasses.asdict(self)
        return {name: value for name, value in told.items() if name != "empty_target" or value != "error"}

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to be learnt."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)


@dataclass(frozen=True)
class TransformRecord:
    """One transform of a chain: its configuration and the hashes of its fitted state."""

    stage: str
    version: int
    config: dict[str, Any]
    states: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """The hash of everything its results depend on; paths and names of files are not part of it."""
        return fingerprint([self.stage, self.version, _without_places(self.config), self.states])

    @property
    def folder(self) -> str:
        """The name of its state folder under ``state/``."""
        return f"{self.stage}-{self.fingerprint[:12]}"

    def to_json(self) -> dict[str, Any]:
        """Return the form that ``artifact.json`` holds."""
        return {**self.__dict__, "fingerprint": self.fingerprint}


def _without_places(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: identity_of(item) if key == "plugin" and is_origin(item) else _without_places(item)
        for key, item in value.items()
        if key != "places"
    }


class Artifact:
    """A finished artifact. Opening reads only ``artifact.json``; rows and tensors are read on demand.

    Raises:
        MmcliError: The folder does not exist, is not an artifact, or has a later format.
    """

    def __init__(self, path: Path) -> None:
        self.header = read_header(path)
        self.path = path.resolve()
        # Only a few stay mapped: pages read from a mapped file count as our memory until it is unmapped.
        self._shards = lru_cache(maxsize=_OPEN_SHARDS)(self._open_shard)
        self.stage: str = self.header["stage"]
        self.digest: str = self.header["digest"]
        self.shard_rows: int = self.header["rows_per_shard"]
        self.roles = Roles(**self.header["columns"])
        self.modalities = {name: ModalitySpec.from_json(spec) for name, spec in self.header["modalities"].items()}
        self.chain = [
            TransformRecord(record["stage"], record["version"], record["config"], record["states"])
            for record in self.header["chain"]
        ]

    def __len__(self) -> int:
        return int(self.header["rows"])

    @property
    def media_root(self) -> str:
        """The folder or URL to which media paths in the rows are relative."""
        return str(self.header.get("media_root", "."))

    @cached_property
    def rows(self) -> RowFile:
        """The manifest.

        Raises:
            MmcliError: The number of lines is not the number of rows.
        """
        rows = RowFile(self.path / MANIFEST)
        if len(rows) != len(self):
            raise MmcliError(f"{rows.path}: damaged, {len(rows)} lines, expected {len(self)}; make the artifact again")
        return rows

    def _open_shard(self, number: int) -> Shard:
        return Shard(shard_path(self.path, number))

    def keep_mapped(self) -> None:
        """Keep every shard mapped after its first use, for repeated random access."""
        self._shards = lru_cache(maxsize=None)(self._open_shard)

    def shard(self, number: int) -> Shard:
        """Return shard ``number``, memory-mapped."""
        return self._shards(number)

    def _column(self, number: int, modality: str) -> Column:
        shard = self.shard(number)
        column = shard.column(modality, self.modalities[modality])
        expected = min(self.shard_rows, len(self) - number * self.shard_rows)
        if len(column) != expected:
            raise MmcliError(f"{shard.path}: damaged, {len(column)} rows, expected {expected}; {AGAIN}")
        return column

    def take(self, modality: str, rows: Array) -> Column:
        """Return the modality's column for these rows, in that order, copying only these rows."""
        rows = np.asarray(rows, np.int64)
        picked, order = [], []
        for here, places, column in self.pieces(modality, rows):
            if len(here) == len(rows):
                return column.take(places)
            picked.append(column.look(places))
            order.append(here)
        if not picked:
            return empty_column(self.modalities[modality], 0)
        found, places = concatenate(picked), np.concatenate(order)
        return found if (np.diff(places) > 0).all() else found.take(np.argsort(places))

    def present(self, modality: str, rows: Array) -> Array:
        """Return whether each of these rows has the modality, (B,) bool, without reading its values."""
        found = np.zeros(len(rows), bool)
        for here, places, column in self.pieces(modality, rows):
            found[here] = column.present[places]
        return found

    def pieces(self, modality: str, rows: Array) -> Iterator[tuple[Array, Array, Column]]:
        """Yield the complete mapped column of every shard that holds some of these rows, without copying.

        Yields:
            The positions in ``rows`` of those in the shard, (P,), their positions in its column, (P,), and the column.
        """
        numbers, places = np.divmod(np.asarray(rows, np.int64), self.shard_rows)
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        for here in np.split(order, starts[1:]) if len(order) else []:
            yield here, places[here], self._column(int(numbers[here[0]]), modality)

    def ledger(self) -> Iterator[LedgerEntry]:
        """Yield the ledger: the inputs, and their cells, that are not ok, in row order.

        Raises:
            MmcliError: A line is damaged.
        """
        path = self.path / "ledger.jsonl"
        if path.exists():
            for number, line in enumerate(RowFile(path), 1):
                check(line, _ENTRY, f"{path}, line {number}")
                yield LedgerEntry(**line)

    def states(self, record: TransformRecord) -> dict[str, State]:
        """Return the fitted state of a transform of the chain, by part.

        Raises:
            MmcliError: A part is missing, or is not the state the transform recorded.
        """
        found = {part: State.read(self.state_stem(record, part)) for part in record.states}
        for part, state in found.items():
            if state.digest() != record.states[part]:
                raise MmcliError(f"{self.state_stem(record, part)}: changed since {record.stage} wrote it; {AGAIN}")
        return found

    def state_stem(self, record: TransformRecord, part: str) -> Path:
        """Return the path of a part of a transform's state, without the suffix."""
        return self.path / "state" / record.folder / part

    def sound_file(self, name: str) -> Path:
        """Return the path of a file after checking its hash.

        Raises:
            MmcliError: It does not exist, or its content has changed.
        """
        file = self.path / name
        if name not in self.header["files"] or not file.is_file():
            raise MmcliError(f"{file}: missing; {AGAIN}")
        if file_digest(file) != self.header["files"][name]:
            raise MmcliError(f"{file}: changed since the artifact was made; {AGAIN}")
        return file


def empty_column(spec: ModalitySpec, rows: int) -> Column:
    """Return a column of ``rows`` absent rows."""
    fields: dict[str, Tensor] = {}
    for name, form in spec.fields.items():
        dtype = np.dtype(form.dtype)
        if form.layout == "dense":
            fields[name] = Dense(np.zeros((rows, *form.dims), dtype))
        else:
            fields[name] = Ragged(np.zeros((0, *form.dims), dtype), np.zeros(rows + 1, np.int64))
    return Column(fields, np.zeros(rows, bool), np.zeros((rows, KEY_BYTES), np.uint8))


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of shard ``number`` of an artifact."""
    return folder / "tensors" / f"{number:05d}.safetensors"


def is_artifact(path: Path, stage: str | None = None) -> bool:
    """Return whether a folder is an artifact (of this stage, if one is given)."""
    if not (path / HEADER).is_file():
        return False
    try:
        return stage is None or read_header(path)["stage"] == stage
    except MmcliError:
        return False
