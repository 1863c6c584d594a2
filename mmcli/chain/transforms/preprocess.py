"""The transform of preprocess: turns the cells of rows into tensors, with one Preprocessor per modality."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, cast

import numpy as np

from mmcli.chain.transforms import Lookup
from mmcli.errors import AbsentError, MmcliError, UnusableError
from mmcli.modalities import BesideTable, Media, Preprocessor, ReadsCells, Watches
from mmcli.modalities.notices import Notices, listening
from mmcli.plugins import KINDS
from mmcli.runtime import Runtime
from mmcli.store.columns import (
    ABSENT_KEY,
    KEY_BYTES,
    Array,
    Batch,
    Column,
    Dense,
    LedgerEntry,
    ModalitySpec,
    Row,
    Tensor,
    assemble,
)
from mmcli.store.keys import content_key, fingerprint
from mmcli.store.state import State

_HASHED_AT_ONCE = 64
Item = tuple[bytes, dict[str, Array] | UnusableError | None]


def make_preprocessor(kind: str, config: Mapping[str, Any]) -> Preprocessor:
    """Make the Preprocessor of a kind with the options in ``config``.

    Raises:
        MmcliError: There is no such kind.
    """
    if kind not in KINDS:
        raise MmcliError(f"there is no kind {kind!r}; make the artifact again")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    return cast(Preprocessor, import_module(f"mmcli.modalities.{kind}").Preprocessor(**values))


class PreprocessTransform:
    """Rows in, one column for each modality out.

    Args:
        kinds: The kind of each modality.
        preprocessors: The Preprocessor of each modality.
        media: Reads the files named in cells.
        id_column: The column of sample ids, for the ledger.

    Attributes:
        left_out: Modalities to treat as missing in every row.
        names_lacking: Whether the ledger distinguishes rows without a modality's columns from rows with empty cells.
        recorded: For each modality of a loaded transform, the recorded version and arguments, which determine its
            fingerprint; arguments added since then have their defaults.
        notices: The readers' remarks on inputs that are ok.
        trusted: Returns the key of a row's input if it is known without reading the file, else None.
    """

    stage: ClassVar[str] = "preprocess"
    version: ClassVar[int] = 1

    def __init__(
        self,
        kinds: Mapping[str, str],
        preprocessors: Mapping[str, Preprocessor],
        media: Media,
        id_column: str,
    ) -> None:
        self.kinds = dict(kinds)
        self.preprocessors = dict(preprocessors)
        self.media = media
        self.id_column = id_column
        self.names_lacking = False
        self.left_out: frozenset[str] = frozenset()
        self.recorded: dict[str, dict[str, Any]] = {}
        self.notices = Notices()
        self.trusted: Callable[[str, Row], bytes | None] = lambda name, row: None
        self._fingerprints: dict[str, str] = {}

    @classmethod
    def load(
        cls, config: Mapping[str, Any], states: Mapping[str, State], media: Media, id_column: str
    ) -> PreprocessTransform:
        """Make the transform that ``config`` and ``states`` describe."""
        kinds = {name: part["kind"] for name, part in config["modalities"].items()}
        preprocessors = {
            name: make_preprocessor(part["kind"], part["config"]) for name, part in config["modalities"].items()
        }
        transform = cls(
            kinds,
            preprocessors,
            media.limited(config.get("max_bytes", media.max_bytes), config.get("fix_paths", False)),
            id_column,
        )
        for name, part in config["modalities"].items():
            learnt = ""
            if name in states:
                preprocessors[name].load_state(states[name])
                learnt = states[name].digest()
            transform.recorded[name] = {"version": part["version"], "config": part["config"]}
            transform._fingerprints[name] = fingerprint([part["kind"], part["version"], part["config"], learnt])
        return transform

    def config(self) -> dict[str, Any]:
        """Return the kind, code version and arguments of each modality, and the limit on file size."""
        return {
            "max_bytes": self.media.max_bytes,
            **({"fix_paths": True} if self.media.fix_paths else {}),
            "modalities": {
                name: {"kind": self.kinds[name], "version": part.version, "config": part.config()}
                | self.recorded.get(name, {})
                for name, part in self.preprocessors.items()
            },
        }

    def arrays(self) -> dict[str, BesideTable]:
        """Return the modalities that are read from an array outside the table."""
        parts = self.preprocessors.items()
        return {name: part for name, part in parts if isinstance(part, BesideTable) and part.array is not None}

    def watch(self) -> None:
        """Start looking for values that are unusual compared with the train rows; ``strange`` returns the findings."""
        for part in self.preprocessors.values():
            if isinstance(part, Watches):
                part.watch()

    def strange(self) -> list[str]:
        """Return one sentence for each column in which most values were unusual."""
        return [text for part in self.preprocessors.values() if isinstance(part, Watches) for text in part.strange()]

    def read_otherwise(self) -> dict[str, tuple[int, int]]:
        """Return the modalities whose reader has changed, each with its recorded version and the current one."""
        return {
            name: (recorded["version"], self.preprocessors[name].version)
            for name, recorded in self.recorded.items()
            if recorded["version"] != self.preprocessors[name].version
        }

    @property
    def inputs(self) -> int:
        """The number of inputs per row: one per modality, or one per cell for modalities read cell by cell."""
        return sum(len(part.columns) if isinstance(part, ReadsCells) else 1 for part in self.preprocessors.values())

    def states(self) -> dict[str, State]:
        """Return the state of each fitted modality."""
        return {name: part.state() for name, part in self.preprocessors.items() if part.fitted}

    def modalities(self) -> dict[str, ModalitySpec]:
        """Return the modalities it makes."""
        return {
            name: ModalitySpec(
                kind=self.kinds[name], source=name, extractor=None, fingerprint=self._fingerprint(name),
                fields=part.fields(), facts=part.facts(),
            )
            for name, part in self.preprocessors.items()
        }  # fmt: skip

    def fit(
        self, train_rows: Callable[[], Iterable[Sequence[Row]]], learnt: Mapping[str, tuple[str, State]]
    ) -> dict[str, str]:
        """Fit the modalities that need it to the train rows; return the hash of each one's training data.

        Args:
            train_rows: Iterates over the train rows in batches; called several times.
            learnt: The fitted states of an earlier run, each with the hash of its training data; reused if that is
                unchanged.
        """
        hashes: dict[str, str] = {}
        for name, part in self.preprocessors.items():
            if not part.fitted:
                continue
            contents = partial(self._contents, part, train_rows)
            if isinstance(part, ReadsCells):  # fitting is faster than reading the rows twice
                total = self._begun_hash(part)
                part.fit(_hashed(contents(), total))
                hashes[name] = total.hexdigest()
                continue
            # Do not read files twice just to find out that they are unchanged.
            hashes[name] = "" if part.threaded else self._hash_of_input(part, contents())
            before = learnt.get(name)
            if before is not None and hashes[name] and before[0] == hashes[name]:
                part.load_state(before[1])
            else:
                part.fit(contents())
        self._fingerprints = {}
        return hashes

    def apply(self, batch: Batch, runtime: Runtime, earlier: Lookup) -> Batch:
        """Return the batch with one column per modality, and the ledger of inputs that are not ok."""
        columns = dict(batch.columns)
        ledger, cells = list(batch.ledger), list(batch.cells)
        for name, part in self.preprocessors.items():
            if isinstance(part, ReadsCells):
                columns[name], absent, odd = self._read_cells(name, part, batch.rows)
                ledger += absent
                cells += odd
                continue
            read = partial(self._item, name, part, earlier)
            items = runtime.map(read, batch.rows) if part.threaded else [read(row) for row in batch.rows]
            columns[name] = self._column(part, items)
            ledger += self._entries(name, part, batch.rows, items)
        return Batch(batch.rows, columns, ledger, cells)

    def key(self, name: str, row: Row) -> bytes:
        """Return the current content key of a modality in a row; zeros if there is no content."""
        try:
            content = self._content(name, row)
        except UnusableError:
            return ABSENT_KEY
        return ABSENT_KEY if content is None else content_key(self._fingerprint(name), content)

    def _content(self, name: str, row: Row) -> bytes | None:
        part = self.preprocessors[name]
        if name in self.left_out:
            raise UnusableError("missing", "left out")
        if self.names_lacking and part.columns and not any(column in row for column in part.columns):
            raise UnusableError("missing", "no such column")
        return part.content(row, self.media)

    def _read_cells(
        self, name: str, part: ReadsCells, rows: Sequence[Row]
    ) -> tuple[Column, list[LedgerEntry], list[LedgerEntry]]:
        """Return a modality's column, the ledger entries of its rows, and those of single cells."""
        contents, odd = part.read(rows)
        there = np.array([content is not None for content in contents], bool)
        keys = np.zeros((len(rows), KEY_BYTES), np.uint8)
        made = self._fingerprint(name)
        found = [content for content in contents if content is not None]
        keys[there] = np.frombuffer(b"".join(content_key(made, each) for each in found), np.uint8).reshape(
            -1, KEY_BYTES
        )
        fields: dict[str, Tensor] = {}
        for field, values in part.decode_rows(found).items():
            whole = np.zeros((len(rows), *values.shape[1:]), values.dtype)
            whole[there] = values
            fields[field] = Dense(whole)
        first: dict[int, str] = {}
        cells = []
        for each in odd:
            if there[each.row] or each.row in first:
                identity = str(rows[each.row].get(self.id_column, each.row))
                cells.append(
                    LedgerEntry(each.row, identity, name, "corrupt", each.reason, None, each.column, each.value)
                )
            else:
                first[each.row] = each.reason  # the reason for the row; every bad cell is reported once
        absent = []
        for number in np.flatnonzero(~there).tolist():
            identity = str(rows[number].get(self.id_column, number))
            if number in first:
                absent.append(LedgerEntry(number, identity, name, "corrupt", first[number]))
            else:
                lacks = self.names_lacking and not any(column in rows[number] for column in part.columns)
                absent.append(
                    LedgerEntry(number, identity, name, "missing", "no such column" if lacks else "empty cell")
                )
        return Column(fields, there, keys), absent, cells

    def _item(self, name: str, part: Preprocessor, earlier: Lookup, row: Row) -> Item:
        """Read, look up or decode one input; a problem with it is returned, not raised."""
        trusted = self.trusted(name, row) if part.threaded else None
        if trusted is not None and (position := earlier.position(name, trusted)) is not None:
            return trusted, earlier.item(name, position)
        try:
            content = self._content(name, row)
        except UnusableError as problem:
            return ABSENT_KEY, problem
        if content is None:
            return ABSENT_KEY, None
        key = content_key(self._fingerprint(name), content)
        position = earlier.position(name, key)
        if position is not None:
            return key, earlier.item(name, position)
        try:
            with listening() as heard:
                item = part.decode(content)
        except UnusableError as problem:
            return key, problem
        except MmcliError as error:
            raise type(error)(f"sample {row.get(self.id_column)!r}, {name}: {error}") from None
        self.notices.add(name, str(row.get(self.id_column)), heard)
        return key, item

    def _column(self, part: Preprocessor, items: list[Item]) -> Column:
        decoded = [found if isinstance(found, dict) else None for _, found in items]
        fields = {
            field: assemble(form, [None if item is None else item[field] for item in decoded])
            for field, form in part.fields().items()
        }
        keys = np.frombuffer(b"".join(key for key, _ in items), np.uint8).reshape(-1, KEY_BYTES)
        return Column(fields, np.array([item is not None for item in decoded], bool), keys)

    def _entries(self, name: str, part: Preprocessor, rows: Sequence[Row], items: list[Item]) -> Iterator[LedgerEntry]:
        for number, (row, (_, found)) in enumerate(zip(rows, items, strict=True)):
            identity = str(row.get(self.id_column, number))
            if found is None:
                yield LedgerEntry(number, identity, name, "missing", "empty cell")
            elif isinstance(found, AbsentError):
                yield LedgerEntry(number, identity, name, found.status, found.reason)
            elif isinstance(found, UnusableError):
                cell = row.get(part.columns[0]) if part.threaded and len(part.columns) == 1 else None
                path = None if cell is None or isinstance(cell, list) else str(cell)
                yield LedgerEntry(number, identity, name, found.status, found.reason, path)

    def _contents(self, part: Preprocessor, train_rows: Callable[[], Iterable[Sequence[Row]]]) -> Iterator[bytes]:
        for rows in train_rows():
            if isinstance(part, ReadsCells):
                yield from (content for content in part.read(rows)[0] if content is not None)
                continue
            for row in rows:
                try:
                    content = part.content(row, self.media)
                except UnusableError:
                    continue  # apply reports it
                if content is not None:
                    yield content

    def _hash_of_input(self, part: Preprocessor, contents: Iterable[bytes]) -> str:
        total = self._begun_hash(part)
        for _ in _hashed(contents, total):
            pass
        return str(total.hexdigest())

    @staticmethod
    def _begun_hash(part: Preprocessor) -> Any:
        return hashlib.sha256(fingerprint([part.version, part.config()]).encode())

    def _fingerprint(self, name: str) -> str:
        if name not in self._fingerprints:
            part = self.preprocessors[name]
            learnt = part.state().digest() if part.fitted else ""
            self._fingerprints[name] = fingerprint([self.kinds[name], part.version, part.config(), learnt])
        return self._fingerprints[name]


def _hashed(contents: Iterable[bytes], total: Any) -> Iterator[bytes]:
    """Yield the contents while adding them to a hash."""
    waiting = iter(contents)
    while block := list(itertools.islice(waiting, _HASHED_AT_ONCE)):
        total.update(b"".join(part for content in block for part in (len(content).to_bytes(8, "big"), content)))
        yield from block
