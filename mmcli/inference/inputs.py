"""Reads a model's inputs, raw rows or any artifact of its chain, and computes aligned features batch by batch."""

from __future__ import annotations

import codecs
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmcli.chain.chain import Chain, check_same_chain
from mmcli.context import listed
from mmcli.errors import MmcliError
from mmcli.inference.config import RowsConfig
from mmcli.inference.model import TrainedModel
from mmcli.modalities import Media
from mmcli.modalities.files import NOT_FOUND, MediaFolder
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.artifact import is_artifact
from mmcli.store.columns import Batch, Column, LedgerEntry, Row
from mmcli.store.opening import join_by_id, open_samples, samples_of_rows
from mmcli.store.rows import parse_row
from mmcli.store.samples import ARTIFACT, ROW, Samples
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.opening import Table, lines_as_they_come, open_table
from mmcli.store.sources.text_lines import check_encoding
from mmcli.tables.bad_inputs import is_bad
from mmcli.tables.beside_table import give_arrays, parse_arrays
from mmcli.tables.known_columns import KnownColumns

_ROWS = 256
Chunk = tuple[list[Row], "list[BadLine]"]
"""Rows, and the invalid lines between them."""
STAGES = ("preprocess", "extract-features", "fuse")


@dataclass(frozen=True)
class BadLine:
    """An invalid line.

    Args:
        before: Number of rows in its group before it.
        line: Its number, from 1.
        error: The error message.
    """

    before: int
    line: int
    error: str


@dataclass(frozen=True)
class Asked:
    """Rows with their aligned features.

    Args:
        ids: The id of each row.
        batch: The rows, the aligned features, and the ledger by source modality.
        bad: The invalid lines between the rows.
        media: Reads the files that their cells name.
    """

    ids: list[str]
    batch: Batch
    bad: Sequence[BadLine] = ()
    media: Media | None = None

    def problems(self, sources: list[str]) -> list[dict[str, LedgerEntry]]:
        """Return the ledger entries of each row, by source modality."""
        found: list[dict[str, LedgerEntry]] = [{} for _ in self.ids]
        for entry in self.batch.ledger:
            if entry.modality in sources:
                found[entry.row].setdefault(entry.modality, entry)
        return found

    def take(self, rows: list[int]) -> Asked:
        """Return the rows with these numbers."""
        place = {row: number for number, row in enumerate(rows)}
        indexes = np.array(rows, np.int64)
        ledger = [replace(entry, row=place[entry.row]) for entry in self.batch.ledger if entry.row in place]
        columns = {name: column.take(indexes) for name, column in self.batch.columns.items()}
        batch = Batch([self.batch.rows[row] for row in rows], columns, ledger)
        return Asked([self.ids[row] for row in rows], batch, media=self.media)


def open_inputs(
    model: TrainedModel,
    sources: str | Sequence[str],
    rows: RowsConfig,
    runtime: Runtime,
    reporter: Reporter,
    *,
    goes_on: bool = False,
    tensor: Sequence[str] = (),
) -> Iterator[Asked]:
    """Yield the rows of a source with their aligned features, in order.

    Args:
        model: Its chain makes the features.
        sources: A raw table, the folder of an artifact of the model's chain, or ``-`` for either on standard input;
            or several artifacts, joined by id.
        rows: How rows are read.
        runtime: Where to compute.
        reporter: Receives warnings, such as missing columns.
        goes_on: Whether to report invalid lines of standard input and continue after them.
        tensor: ``NAME=FILE`` for each modality that is read from an array outside a raw table.

    Raises:
        MmcliError: The source does not exist, was made differently, or has none of the model's columns.
    """
    root, text, limit = rows.root, rows.written, rows.limit
    source, *others = listed(sources)
    if others:
        samples = join_by_id([open_samples(each, STAGES, limit) for each in (source, *others)])
        return inputs_of_samples(model, samples, runtime)
    if source == "-":
        return _from_pipe(model, runtime, reporter, root, text, limit, goes_on)
    if is_artifact(Path(source)):
        return inputs_of_samples(model, open_samples(source, STAGES, limit), runtime)
    table = open_table(source, text=text)
    media = MediaFolder(table.root if root is None else root, members_root=table.root)
    chain = Chain(model.artifact, media, model.artifact.roles.id)
    if chain.arrays() or tensor:
        count = sum(1 for _ in itertools.islice(open_table(source, text=text).rows, limit))
        chain.leave_out(give_arrays(chain.arrays(), parse_arrays(tensor), table.name, count, limit is not None))
    return _from_table(model, chain, table, limit, runtime, reporter)


def inputs_of_samples(model: TrainedModel, samples: Samples, runtime: Runtime) -> Iterator[Asked]:
    """Yield samples of the model's chain with their aligned features, in order.

    Raises:
        MmcliError: They were made differently from the model's training data.
    """
    done = check_same_chain(samples.name, samples.chain, model.artifact.chain)
    identity = samples.roles.id
    media = MediaFolder(samples.first.media_root)
    chain = Chain(model.artifact, media, identity)
    for start, stop in samples.ranges(_ROWS):
        batch = chain.apply(samples.batch_with_reasons(start, stop), runtime, done)
        check_whole(batch.columns, model, samples.name)
        yield Asked([str(row[identity]) for row in batch.rows], _by_source(batch, model, samples), media=media)


def check_whole(columns: Mapping[str, Column], model: TrainedModel, name: str) -> None:
    """Check that all inputs of the network are there.

    Raises:
        MmcliError: An input is missing.
    """
    lacking = [known for known in model.names if known not in columns]
    if lacking:
        raise MmcliError(
            f"{name}: lacks {', '.join(lacking)}, which the model encodes itself; give it raw rows, or an artifact of "
            "preprocess"
        )


def _by_source(batch: Batch, model: TrainedModel, samples: Samples) -> Batch:
    """Name the ledger's entries by the source modality."""
    source_of = {name: spec.source for name, spec in samples.modalities.items()} | model.source_of
    ledger = [replace(entry, modality=source_of.get(entry.modality, entry.modality)) for entry in batch.ledger]
    return Batch(batch.rows, batch.columns, ledger)


def _from_table(
    model: TrainedModel,
    chain: Chain,
    table: Table,
    limit: int | None,
    runtime: Runtime,
    reporter: Reporter,
    passed_over: list[tuple[int, str]] | None = None,
) -> Iterator[Asked]:
    """Yield the rows of a table; if columns differ by row, first read on until a row has a column that the model uses.

    Lines that the table's reader adds to ``passed_over`` are reported at their place.
    """
    columns = KnownColumns(chain, model.sources, table.name, table.columns)
    rows = itertools.islice((row for _, row in table.rows), limit)
    chunks = _chunks(rows, [] if passed_over is None else passed_over)
    waiting: list[Chunk] = []
    while not columns.any and (chunk := next(chunks, None)) is not None:
        waiting.append(chunk)
        columns.add(chunk[0])
    yield from _answered(model, chain, columns, itertools.chain(waiting, chunks), runtime, reporter)
    for warning in table.warnings:
        reporter.warn(warning)


def _answered(
    model: TrainedModel,
    chain: Chain,
    columns: KnownColumns,
    chunks: Iterator[Chunk],
    runtime: Runtime,
    reporter: Reporter,
) -> Iterator[Asked]:
    identity = model.artifact.roles.id
    chain.tell_lacking()
    chain.watch()
    warn_of_other_readers(chain, reporter)
    columns.warn_where_fixed(reporter)
    number = 0
    bad: dict[str, Counter[str]] = {}
    odd: Counter[str] = Counter()
    for rows, told in chunks:
        ids = [
            str(row.get(identity, number + place + sum(each.before <= place for each in told)))
            for place, row in enumerate(rows)
        ]
        number += len(rows) + len(told)
        columns.add(rows)
        if chain.arrays():
            rows = [{**row, ROW: number - len(rows) + place} for place, row in enumerate(rows)]
        asked = Asked(ids, chain.apply(Batch(rows, {}), runtime) if rows else Batch([], {}), told, chain.media)
        yield asked
        odd.update(entry.reason for entry in asked.batch.cells)
        for problems in asked.problems(model.sources):
            for modality, entry in problems.items():
                if is_bad(entry):
                    bad.setdefault(modality, Counter())[entry.reason] += 1
    if not number:
        raise MmcliError(f"{columns.name}: no rows to predict")
    columns.warn(reporter)
    for text in chain.strange():
        reporter.warn(text)
    _warn_of_odd(odd, reporter)
    _warn_of_bad(bad, number, reporter)


def warn_of_other_readers(chain: Chain, reporter: Reporter) -> None:
    """Warn of modalities whose reader has changed since the model was trained."""
    found = chain.read_otherwise()
    if found:
        told = ", ".join(f"{name} (version {was}, now {now})" for name, (was, now) in sorted(found.items()))
        reporter.warn(
            f"the model was trained on inputs from other versions of mmcli's readers: {told}; some values may differ; "
            "to be sure, run its stages again"
        )


def _warn_of_odd(odd: Counter[str], reporter: Reporter) -> None:
    """Warn of cells that do not fit their column's kind."""
    if odd:
        reason, times = odd.most_common(1)[0]
        reporter.warn(f"{odd.total()} cells are treated as empty ({reason} × {times})")


def _warn_of_bad(bad: Mapping[str, Counter[str]], rows: int, reporter: Reporter) -> None:
    """Warn of each modality whose inputs cannot be used or found, with the number of rows."""
    for modality, reasons in sorted(bad.items()):
        reason, times = reasons.most_common(1)[0]
        count = reasons.total()
        lost = count == rows and reason == NOT_FOUND
        where = "; paths are relative to the table's folder, or to --root" if lost else ""
        reporter.warn(
            f"{modality}: treated as missing in {'all ' if count == rows else f'{count} of '}{rows} rows "
            f"({reason} × {times}{where})"
        )


def _chunks(rows: Iterator[Row], passed_over: list[tuple[int, str]]) -> Iterator[Chunk]:
    more = True
    while more:
        chunk: list[Row] = []
        bad: list[BadLine] = []
        more = False
        for row in rows:
            bad += [BadLine(len(chunk), line, error) for line, error in passed_over]
            passed_over.clear()
            chunk.append(row)
            if len(chunk) == _ROWS:
                more = True
                break
        bad += [BadLine(len(chunk), line, error) for line, error in passed_over]
        passed_over.clear()
        if chunk or bad:
            yield chunk, bad


def _from_pipe(
    model: TrainedModel,
    runtime: Runtime,
    reporter: Reporter,
    root: str | None,
    text: TableText,
    limit: int | None,
    goes_on: bool,
) -> Iterator[Asked]:
    """Read standard input: rows of an artifact all at once, JSON Lines as they come, CSV in batches."""
    name = "standard input"
    if sys.stdin.isatty():
        raise MmcliError("standard input is a terminal: pipe rows into it, or name a table or an artifact folder")
    check_encoding(text.encoding)
    groups = lines_as_they_come(sys.stdin.fileno())
    seen: list[list[bytes]] = []
    first = b""
    for group in groups:
        seen.append(group)
        first = next((line for line in group if line.strip()), b"").removeprefix(b"\xef\xbb\xbf").strip()
        if first:
            break
    else:
        raise MmcliError(f"{name} has no rows: did the upstream command fail?")
    whole = itertools.chain(seen, groups)
    if not first.startswith(b"{") or codecs.lookup(text.encoding).name != "utf-8":
        lines = (line for group in whole for line in group)
        # Line ends go between lines and not after the last, where a lone byte would not be valid UTF-16.
        content = itertools.chain([next(lines)], (b"\n" + line for line in lines))
        chain = _chain_of_pipe(model, root)
        bad: list[tuple[int, str]] = []
        table = open_table("-", content, text, (lambda line, error: bad.append((line, error))) if goes_on else None)
        yield from _from_table(model, chain, table, limit, runtime, reporter, bad)
    elif _is_of_artifact(first, name, goes_on):
        lines = (line for group in whole for line in group)
        yield from inputs_of_samples(model, samples_of_rows(lines, limit), runtime)
    else:
        text.check_fits(name)
        chain = _chain_of_pipe(model, root)
        columns = KnownColumns(chain, model.sources, name, None)
        yield from _answered(model, chain, columns, _parsed(whole, name, limit, goes_on), runtime, reporter)


def _chain_of_pipe(model: TrainedModel, root: str | None) -> Chain:
    chain = Chain(model.artifact, MediaFolder(root or "."), model.artifact.roles.id)
    if chain.arrays():
        raise MmcliError(
            f"standard input: the model needs {', '.join(chain.arrays())} from an array, which rows on a pipe do not "
            "have; give it a table with --tensor NAME=FILE, or an artifact"
        )
    return chain


def _is_of_artifact(first: bytes, name: str, goes_on: bool) -> bool:
    try:
        return {ARTIFACT, ROW} <= parse_row(first, f"{name}, line 1").keys()
    except MmcliError:
        if goes_on:
            return False
        raise


def _parsed(groups: Iterator[list[bytes]], name: str, limit: int | None, goes_on: bool) -> Iterator[Chunk]:
    number = taken = 0
    for group in groups:
        rows: list[Row] = []
        bad: list[BadLine] = []
        for line in group:
            number += 1
            if not line.strip() or (limit is not None and taken >= limit):
                continue
            taken += 1
            try:
                rows.append(parse_row(line.removeprefix(b"\xef\xbb\xbf"), f"{name}, line {number}"))
            except MmcliError as error:
                if not goes_on:
                    raise
                bad.append(BadLine(len(rows), number, str(error)))
            if len(rows) == _ROWS:
                yield rows, bad
                rows, bad = [], []
        if rows or bad:
            yield rows, bad
