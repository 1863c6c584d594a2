"""Opens samples: an artifact's folder, several sources joined by id, or rows from a pipe."""

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
        MmcliError: There is no artifact, its stage is not in ``stages``, or the pipe has no rows.
    """
    if source == "-" and sys.stdin.isatty():
        raise MmcliError("standard input is a terminal: pipe a manifest into it, or name an artifact folder")
    samples = samples_of_rows(sys.stdin.buffer, limit) if source == "-" else _from_folder(Path(source), limit)
    accepted = list(stages)
    if samples.stage not in accepted:
        order = [*CHAIN_STAGES, "train", "evaluate", "compare"]
        later = order.index(samples.stage) > max(map(order.index, accepted))
        advice = "this stage has already been run on it" if later else f"run mmcli {accepted[-1]} first"
        raise MmcliError(
            f"{samples.name}: an artifact of {samples.stage}, expected one of {' or '.join(accepted)}; {advice}"
        )
    return samples


def join_by_id(sources: Sequence[Samples]) -> Samples:
    """Join sources by sample id; the first one defines the samples and their order.

    If one source has a preprocessed modality and another its features, the features are used.

    Raises:
        MmcliError: Two sources have a modality of the same name, no sample in common, different splits or
            contradictory values.
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
                    f"{taken[name]} and {other.name} both have a modality {name!r}; leave it out of one of them "
                    f"(extract-features --use {name}=none)"
                )
            taken[name] = other.name
        place = {identity: number for number, identity in enumerate(other.ids())}
        if len(place) < len(other):
            raise MmcliError(f"{other.name}: has an id twice; in a source joined to another, ids must be unique")
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
    """Refuse sources with different splits: one would be fitted on samples that another tests on."""
    here, there = first.splits(), other.splits()
    differ = np.flatnonzero((rows >= 0) & (here != there[rows]))
    if len(differ):
        sample = int(differ[0])
        raise MmcliError(
            f"{first.name} and {other.name} put {len(differ)} of their samples in different splits (such as "
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
        raise MmcliError(f"{path}: an artifact of {artifact.stage}, which holds no samples")
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
    """Return the samples that the lines of a pipe refer to by artifact and row.

    Raises:
        MmcliError: There are no lines, one is damaged, or their artifacts are not compatible.
    """
    artifacts: dict[str, Artifact] = {}
    which: list[int] = []
    places: list[int] = []
    spool = SpooledRows()
    for number, line in enumerate(lines, 1):
        if not line.strip() or (limit is not None and len(places) >= limit):
            continue  # read on past the limit, so that the upstream stage does not fail on a closed pipe
        row = parse_row(line, f"standard input, line {number}")
        folder, place = row.pop(ARTIFACT, None), row.get(ROW)
        if not isinstance(folder, str) or not isinstance(place, int) or isinstance(place, bool):
            raise MmcliError(
                f"standard input, line {number}: no {ARTIFACT!r} and {ROW!r}; "
                "expected rows that an mmcli stage wrote to a pipe"
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
        raise MmcliError("standard input has no rows: did the upstream stage fail?")
    opened = list(artifacts.values())
    for artifact in opened[1:]:
        if artifact.modalities != opened[0].modalities or artifact.header["chain"] != opened[0].header["chain"]:
            raise MmcliError(
                f"standard input: rows of {opened[0].path} and {artifact.path} cannot be mixed: "
                "they were made with different parameters or fitted state"
            )
    part = Part(opened, np.array(which), np.array(places, np.int64))
    return Samples("standard input", spool.close(), [part], _pipe_digest(spool, part))


def _pipe_digest(rows: RowFile, part: Part) -> str:
    """Return the artifact's own digest if the pipe holds all its rows unchanged, else a digest of the rows."""
    first = part.artifacts[0]
    content = file_digest(rows.path)
    if len(part.artifacts) == 1 and content == first.header["files"].get(MANIFEST):
        return first.digest
    return fingerprint([content, [artifact.digest for artifact in part.artifacts], part.artifact_of.tolist()])
