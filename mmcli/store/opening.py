"""Opens samples: an artifact's folder, several joined by id, or the rows that a pipe brings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.agreement import check_agreement
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Array
from mmcli.store.header import CHAIN_STAGES, MANIFEST
from mmcli.store.keys import file_digest, fingerprint
from mmcli.store.rows import RowFile, SpooledRows, parse_row
from mmcli.store.samples import ARTIFACT, ROW, Part, Samples


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
        order = [*CHAIN_STAGES, "train", "evaluate", "compare"]
        later = order.index(samples.stage) > max(map(order.index, accepted))
        advice = "this has been done to it" if later else f"run mmcli {accepted[-1]} first"
        raise MmcliError(
            f"{samples.name}: an artifact of {samples.stage}, expected one of {' or '.join(accepted)}; {advice}"
        )
    return samples


def join_by_id(sources: Sequence[Samples]) -> Samples:
    """Join sources by the id of their samples; the first one says which samples there are, and their order.

    A modality that one source has as preprocess made it, and another as features of it, is taken as features.

    Raises:
        MmcliError: Two sources have a modality of the same name, no sample in common, or other splits, or contradict
            each other.
    """
    first = sources[0]
    if len(sources) == 1:
        return first
    sources = [_without_extracted(source, sources) for source in sources]
    first, ids = sources[0], sources[0].ids()
    parts = list(first.parts)
    taken = dict.fromkeys(first.modalities, first.name)
    for other in sources[1:]:
        for name in other.modalities:
            if name in taken:
                raise MmcliError(
                    f"{taken[name]} and {other.name} both have the modality {name!r}; leave it out of one "
                    f"(extract-features --use {name}=none)"
                )
            taken[name] = other.name
        place = {identity: number for number, identity in enumerate(other.ids())}
        if len(place) < len(other):
            raise MmcliError(f"{other.name}: the same id stands twice in it; a source joined to another has each once")
        rows = np.array([place.get(identity, -1) for identity in ids], np.int64)
        _check_same_splits(first, other, rows)
        if (rows < 0).all():
            raise MmcliError(f"{first.name} and {other.name} have no sample id in common")
        check_agreement(first, other, rows)
        for part in other.parts:
            parts.append(
                Part(part.artifacts, np.where(rows < 0, 0, part.artifact_of[rows]),
                     np.where(rows < 0, -1, part.row_of[rows]), part.left_out)
            )  # fmt: skip
    return Samples(
        " + ".join(source.name for source in sources),
        first.rows,
        parts,
        fingerprint([s.digest for s in sources]),
    )


def _check_same_splits(first: Samples, other: Samples, rows: Array) -> None:
    """Refuse sources that split their samples otherwise: one would have learnt from what the other tests on."""
    here, there = first.splits(), other.splits()
    differ = np.flatnonzero((rows >= 0) & (here != there[rows]))
    if len(differ):
        sample = int(differ[0])
        raise MmcliError(
            f"{first.name} and {other.name} split {len(differ)} of their samples otherwise (such as "
            f"{first.ids()[sample]!r}: {here[sample]} and {there[rows[sample]]}); preprocess both with the same splits"
        )


def _without_extracted(source: Samples, sources: Sequence[Samples]) -> Samples:
    extracted = {name for other in sources for name, spec in other.modalities.items() if spec.extractor is not None}
    parts = [
        replace(part, left_out=frozenset(name for name, spec in part.modalities.items()
                                         if spec.extractor is None and name in extracted))
        for part in source.parts
    ]  # fmt: skip
    return Samples(source.name, source.rows, parts, source.digest)


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
        if not isinstance(folder, str) or not isinstance(place, int) or isinstance(place, bool):
            raise MmcliError(
                f"standard input, line {number}: no {ARTIFACT!r} and {ROW!r}; "
                "expected rows as a stage writes them to a pipe"
            )
        artifact = artifacts.get(folder) or artifacts.setdefault(folder, Artifact(Path(folder)))
        if not 0 <= place < len(artifact):
            raise MmcliError(f"standard input, line {number}: row {place} is not in {folder} ({len(artifact)} rows)")
        identity = row.get(artifact.roles.id)
        if not isinstance(identity, str) or not identity:
            raise MmcliError(f"standard input, line {number}: no id (column {artifact.roles.id!r})")
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
    if len(part.artifacts) == 1 and content == first.header["files"].get(MANIFEST):
        return first.digest
    return fingerprint([content, [artifact.digest for artifact in part.artifacts], part.artifact_of.tolist()])
