"""What every kind of modality offers: a Preprocessor that reads and decodes, and extractors, one a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Tensor
from mmcli.store.state import State


class Media(Protocol):
    """Reads the file that a cell names, of at most ``max_bytes``; one of a path spelled alike, if ``fix_paths``."""

    max_bytes: int
    fix_paths: bool

    def limited(self, max_bytes: int, fix_paths: bool) -> Media:
        """Return the same with another limit, and paths fixed or not."""

    def read(self, path: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            UnusableError: ``missing`` where there is no such file, ``skipped`` where it is over a limit,
                ``corrupt`` where it cannot be read.
        """


class Preprocessor(Protocol):
    """Turns the cells of one modality into stored tensors, one row at a time.

    ``content`` finds the input's bytes and ``decode`` depends on nothing but them, so a key made of these bytes
    and the preprocessor's configuration names the result.
    """

    version: ClassVar[int]
    fitted: ClassVar[bool]
    threaded: ClassVar[bool]
    columns: tuple[str, ...]

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the bytes of this modality in a row; None where its cells are empty.

        Raises:
            UnusableError: The input cannot be had.
        """

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the tensors of one row by field name.

        Raises:
            UnusableError: The content is damaged, or over a limit.
        """

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn from the content of the train rows; only where ``fitted``."""

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the tensors; where ``fitted``, known once it is."""

    def facts(self) -> dict[str, Any]:
        """Return what later stages must know of the tensors."""

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON values."""

    def state(self) -> State:
        """Return what ``fit`` learnt."""

    def load_state(self, state: State) -> None:
        """Take over what an earlier ``fit`` learnt."""


@dataclass(frozen=True)
class OddCell:
    """A cell that is none of its column's kind, and costs no more than itself.

    Args:
        row: Its place among the rows that were read.
        column: Its column.
        value: What it holds.
        reason: Why that is no value.
    """

    row: int
    column: str
    value: str
    reason: str


@runtime_checkable
class ReadsCells(Protocol):
    """A Preprocessor that reads the cells of many rows at once: what it makes of each is what it makes of it alone."""

    columns: tuple[str, ...]

    def read(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[bytes | None], list[OddCell]]:
        """Return the content of each row, None where there is none, and the cells taken for empty."""

    def decode_rows(self, contents: Sequence[bytes]) -> dict[str, Array]:
        """Return the tensors of rows by field name, first axis N."""


@runtime_checkable
class BesideTable(Protocol):
    """A Preprocessor that may read one array with a row for each row of the table."""

    array: str | None

    def array_rows(self) -> int:
        """Return how many rows the array has."""

    def take_array(self, path: str | None) -> None:
        """Read from now on another array, for another table."""


@runtime_checkable
class Watches(Protocol):
    """A fitted Preprocessor that can tell where new rows are strange to those it was fitted on."""

    def watch(self) -> None:
        """Look from now on."""

    def strange(self) -> list[str]:
        """Return what most values of a column were strange in, a sentence each."""


class Extractor(Protocol):
    """Turns one stored modality into features; frozen: it learns from no label.

    Options are the constructor's keyword-only arguments, stored unchanged.
    """

    version: ClassVar[int]
    fitted: ClassVar[bool]
    scaling: ClassVar[Literal["column", "whole"]]

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn from columns of train rows, all present; only where ``fitted``."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features, before any are computed; where ``fitted``, known once it is."""

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of a column whose rows are all present.

        A row's result depends on that row alone, to the last bit.

        Raises:
            MmcliError: A row is empty (T = 0).
        """

    def assets(self) -> dict[str, str]:
        """Return the files it reads by option name, each with the hash of its content: part of the fingerprint."""

    def state(self) -> State:
        """Return what ``fit`` learnt."""

    def load_state(self, state: State) -> None:
        """Take over what an earlier ``fit`` learnt."""


@runtime_checkable
class ReadsText(Protocol):
    """An extractor that may look at the text itself, where others look at its tokens."""

    def passes_over(self, asked: Sequence[str]) -> list[str]:
        """Return those options of the tokens, as typed, that do not change what it makes of a text."""


@runtime_checkable
class Wraps(Protocol):
    """An extractor that puts another to work."""

    inner: Extractor
