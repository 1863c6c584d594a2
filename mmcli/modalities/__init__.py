"""The interfaces of a modality kind: a Preprocessor that reads and decodes, and extractors, one per file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Tensor
from mmcli.store.state import State


class Media(Protocol):
    """Reads the file a cell names, up to ``max_bytes``; with ``fix_paths``, also a file whose path is spelled alike."""

    max_bytes: int
    fix_paths: bool

    def limited(self, max_bytes: int, fix_paths: bool) -> Media:
        """Return a copy with another size limit, and with or without path fixing."""

    def read(self, path: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            UnusableError: ``missing`` if there is no such file, ``skipped`` if it is over a limit, ``corrupt`` if
                it cannot be read.
        """


class Preprocessor(Protocol):
    """Turns the cells of one modality into stored tensors, one row at a time.

    ``content`` returns the input's bytes and ``decode`` depends on nothing else, so a hash of these bytes and the
    preprocessor's configuration is a valid cache key.
    """

    version: ClassVar[int]
    fitted: ClassVar[bool]
    threaded: ClassVar[bool]
    columns: tuple[str, ...]

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the bytes of this modality in a row; None if its cells are empty.

        Raises:
            UnusableError: The input cannot be read.
        """

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the tensors of one row by field name.

        Raises:
            UnusableError: The content is damaged, or over a limit.
        """

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn from the content of the train rows; called only if ``fitted``."""

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the tensors; if ``fitted``, known only after ``fit``."""

    def facts(self) -> dict[str, Any]:
        """Return what later stages must know about the tensors."""

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON values."""

    def state(self) -> State:
        """Return what ``fit`` learnt."""

    def load_state(self, state: State) -> None:
        """Restore what an earlier ``fit`` learnt."""


@dataclass(frozen=True)
class OddCell:
    """A cell with an invalid value for its column; only this cell is lost, not its row.

    Args:
        row: Index among the rows that were read.
        column: Column name.
        value: The cell's value.
        reason: Why the value is invalid.
    """

    row: int
    column: str
    value: str
    reason: str


@runtime_checkable
class ReadsCells(Protocol):
    """A Preprocessor that reads the cells of many rows at once, with the same result as row by row."""

    columns: tuple[str, ...]

    def read(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[bytes | None], list[OddCell]]:
        """Return the content of each row (None if empty), and the invalid cells, which count as empty."""

    def decode_rows(self, contents: Sequence[bytes]) -> dict[str, Array]:
        """Return the tensors of N rows by field name, N first."""


@runtime_checkable
class BesideTable(Protocol):
    """A Preprocessor that may read a single array with one row for each row of the table."""

    array: str | None

    def array_rows(self) -> int:
        """Return the number of rows in the array."""

    def take_array(self, path: str | None) -> None:
        """Switch to the array of another table."""


@runtime_checkable
class Watches(Protocol):
    """A fitted Preprocessor that can detect new rows unlike those it was fitted on."""

    def watch(self) -> None:
        """Start watching."""

    def strange(self) -> list[str]:
        """Return one sentence for each column most of whose values are unlike the train rows."""


class Extractor(Protocol):
    """Turns one stored modality into features; frozen: it never learns from labels.

    Options are the constructor's keyword-only arguments, stored unchanged.
    """

    version: ClassVar[int]
    fitted: ClassVar[bool]
    scaling: ClassVar[Literal["column", "whole"]]

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn from columns of train rows, all present; called only if ``fitted``."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features before any are computed; if ``fitted``, known only after ``fit``."""

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of a column whose rows are all present.

        A row's result depends only on that row, to the last bit.

        Raises:
            MmcliError: A row is empty (T = 0).
        """

    def assets(self) -> dict[str, str]:
        """Return the content hash of each file it reads, by option name: part of the fingerprint."""

    def state(self) -> State:
        """Return what ``fit`` learnt."""

    def load_state(self, state: State) -> None:
        """Restore what an earlier ``fit`` learnt."""


@runtime_checkable
class ReadsText(Protocol):
    """An extractor that may read the text itself rather than its tokens."""

    def passes_over(self, asked: Sequence[str]) -> list[str]:
        """Return those of the given token options, as typed, that do not affect its features."""


@runtime_checkable
class Wraps(Protocol):
    """An extractor that wraps another."""

    inner: Extractor
