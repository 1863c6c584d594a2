"""verify: checks that an artifact has not changed since it was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmcli.chain.chain import Chain
from mmcli.chain.transforms.preprocess import PreprocessTransform
from mmcli.context import RunContext, takes
from mmcli.errors import DifferenceError, MmcliError
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter
from mmcli.stages.config import VerifyConfig
from mmcli.store.artifact import RUN, Artifact
from mmcli.store.columns import Row
from mmcli.store.header import HEADER, header_digest
from mmcli.store.keys import file_digest
from mmcli.store.state import State

_ROWS = 256


@dataclass(frozen=True)
class Difference:
    """Where something differs from the records, and how."""

    where: str
    what: str


class Differences(list[Difference]):
    """What differs in an artifact.

    Args:
        path: Its folder.
        found: The differences.
    """

    def __init__(self, path: Path, found: Iterable[Difference]) -> None:
        super().__init__(found)
        self.path = path

    @property
    def failure(self) -> MmcliError | None:
        """The error to raise if there are differences."""
        if not self:
            return None
        return DifferenceError(f"{self.path}: {len(self)} differences, the first: {self[0].where}: {self[0].what}")


@takes(VerifyConfig)
def verify(path: Path, config: VerifyConfig, context: RunContext) -> Differences:
    """Recompute every hash of an artifact and of its chain; return what differs.

    Raises:
        MmcliError: The folder is not an artifact.
    """
    reporter, artifact = context.reporter, Artifact(path)
    found = [*_header(artifact), *_files(artifact, reporter), *_chain(artifact)]
    if config.media and not found:
        found += _media(artifact, config.root, reporter)
    return Differences(path, found)


def _header(artifact: Artifact) -> Iterator[Difference]:
    if header_digest(artifact.header) != artifact.digest:
        yield Difference(HEADER, "its content does not match its own hash")


def _files(artifact: Artifact, reporter: Reporter) -> Iterator[Difference]:
    recorded: dict[str, str] = artifact.header["files"]
    with reporter.progress("verify", len(recorded)) as progress:
        for name, digest in recorded.items():
            file = artifact.path / name
            if not file.is_file():
                yield Difference(name, "is missing")
            elif file_digest(file) != digest:
                yield Difference(name, "its content has changed")
            progress.advance()
    there = {file.relative_to(artifact.path).as_posix() for file in artifact.path.rglob("*") if file.is_file()}
    for name in sorted(there - recorded.keys() - {HEADER, RUN}):
        yield Difference(name, "was not there when the artifact was made")


def _chain(artifact: Artifact) -> Iterator[Difference]:
    """Compare stored states and configurations with the hashes in each fingerprint."""
    for record, written in zip(artifact.chain, artifact.header["chain"], strict=True):
        if record.fingerprint != written["fingerprint"]:
            yield Difference(f"{HEADER}, chain, {record.stage}", "its fingerprint does not match its configuration")
        for part in record.states:
            try:
                state = State.read(artifact.state_stem(record, part))
            except MmcliError:
                continue  # _files reports it
            if state.digest() != record.states[part]:
                yield Difference(f"state/{record.folder}/{part}", "does not match its fingerprint")


def _media(artifact: Artifact, root: str | None, reporter: Reporter) -> Iterator[Difference]:
    if artifact.stage != PreprocessTransform.stage:
        yield Difference(str(artifact.path), f"--media needs an artifact of preprocess, not of {artifact.stage}")
        return
    media = MediaFolder(artifact.media_root if root is None else root)
    transform = Chain(artifact, media, artifact.roles.id).transforms[0]
    assert isinstance(transform, PreprocessTransform)
    with reporter.progress("media", len(artifact)) as progress:
        for start in range(0, len(artifact), _ROWS):
            rows = artifact.rows.rows(start, min(start + _ROWS, len(artifact)))
            for name in transform.preprocessors:
                column = artifact.take(name, np.arange(start, start + len(rows)))
                for number, row in enumerate(rows):
                    if transform.key(name, row) != bytes(column.key[number]):
                        yield Difference(
                            f"{row[artifact.roles.id]}, {name}", _changed(row, transform.preprocessors[name].columns)
                        )
            progress.advance(len(rows))


def _changed(row: Row, columns: tuple[str, ...]) -> str:
    named = ", ".join(str(row.get(column)) for column in columns)
    return f"the input has changed since it was decoded ({named})"
