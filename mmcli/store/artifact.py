"""Artifacts: a stage's output folder, opened for reading."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
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
from mmcli.store.keys import fingerprint
from mmcli.store.rows import RowFile
from mmcli.store.state import State
from mmcli.store.tensors import Shard

FORMAT = 1
"""The number every artifact.json begins with. To change what is on disk: raise it, keep reading every earlier
number here, and add an artifact of the old format to ``tests/golden`` so that a test loads it forever."""

HEADER = "artifact.json"
RUN = "run.json"


@dataclass(frozen=True)
class Roles:
    """Which columns of the rows say who a sample is and what is to be learnt."""

    id: str
    split: str
    target: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class TransformRecord:
    """One transform of a chain: what it was told and the hashes of what it learnt."""

    stage: str
    version: int
    config: dict[str, Any]
    states: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """The hash of everything its results depend on; where a file lies (``places``) is not part of that."""
        return fingerprint([self.stage, self.version, _without_places(self.config), self.states])

    @property
    def folder(self) -> str:
        """The folder of its state, below ``state/``."""
        return f"{self.stage}-{self.fingerprint[:12]}"

    def to_json(self) -> dict[str, Any]:
        """Return the form that ``artifact.json`` holds."""
        return {**self.__dict__, "fingerprint": self.fingerprint}


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_places(item) for key, item in value.items() if key != "places"}
    return value


class Artifact:
    """A finished artifact. Opening reads ``artifact.json`` alone; rows and tensors are read when asked for.

    Raises:
        MmcliError: The folder is not there, not an artifact, or of a later format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.header = _read_header(path)
        try:
            self._read_fields()
        except (TypeError, KeyError, AttributeError, ValueError):
            raise MmcliError(f"{path / HEADER}: damaged; make the artifact again") from None
        self._shards: dict[int, Shard] = {}

    def _read_fields(self) -> None:
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

    @cached_property
    def rows(self) -> RowFile:
        """The manifest."""
        return RowFile(self.path / "manifest.jsonl")

    def shard(self, number: int) -> Shard:
        """Return shard ``number``, mapped."""
        if number not in self._shards:
            self._shards[number] = Shard(shard_path(self.path, number))
        return self._shards[number]

    def take(self, modality: str, rows: Array) -> Column:
        """Return the modality's column for these row numbers, in that order, copying nothing else."""
        spec = self.modalities[modality]
        numbers, places = np.divmod(np.asarray(rows, np.int64), self.shard_rows)
        if len(numbers) and (numbers == numbers[0]).all():
            return self.shard(int(numbers[0])).column(modality, spec).take(places)
        if not len(numbers):
            return empty_column(spec, 0)
        picked, order = [], []
        for number in np.unique(numbers):
            here = np.flatnonzero(numbers == number)
            picked.append(self.shard(int(number)).column(modality, spec).take(places[here]))
            order.append(here)
        return concatenate(picked).take(np.argsort(np.concatenate(order)))

    def ledger(self) -> Iterator[LedgerEntry]:
        """Return the inputs that are not ok, in the order of the rows."""
        path = self.path / "ledger.jsonl"
        if path.exists():
            for line in RowFile(path):
                yield LedgerEntry(**line)

    def states(self, record: TransformRecord) -> dict[str, State]:
        """Return what a transform of the chain learnt, by part."""
        return {part: State.read(self.path / "state" / record.folder / part) for part in record.states}


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
    """Return where shard ``number`` of an artifact lies."""
    return folder / "tensors" / f"{number:05d}.safetensors"


def header_digest(header: Mapping[str, Any]) -> str:
    """Return an artifact's own hash: of its header, which holds the hash of every other file."""
    return fingerprint({key: value for key, value in header.items() if key != "digest"})


def is_artifact(path: Path, stage: str | None = None) -> bool:
    """Tell whether a folder is an artifact (of this stage)."""
    if not (path / HEADER).is_file():
        return False
    try:
        return stage is None or _read_header(path)["stage"] == stage
    except MmcliError:
        return False


def _read_header(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise MmcliError(f"{path}: no such artifact")
    file = path / HEADER
    if not file.is_file():
        raise MmcliError(f"{path}: not an artifact of mmcli (there is no {HEADER} in it)")
    try:
        header = json.loads(file.read_bytes())
        number = header["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MmcliError(f"{file}: damaged; make the artifact again") from None
    if not isinstance(number, int) or number > FORMAT:
        raise MmcliError(f"{file}: format {number}, this mmcli reads up to {FORMAT}; upgrade mmcli")
    missing = {"stage", "digest", "rows", "rows_per_shard", "columns", "modalities", "chain"} - header.keys()
    if missing:
        raise MmcliError(f"{file}: damaged, {', '.join(sorted(missing))} missing; make the artifact again")
    return dict(header)
