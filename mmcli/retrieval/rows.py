"""Opens the rows of an index."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmcli.chain.chain import Chain, check_same_chain
from mmcli.errors import MmcliError
from mmcli.inference.config import RowsConfig
from mmcli.inference.inputs import STAGES, warn_of_other_readers
from mmcli.inference.model import TrainedModel
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.artifact import is_artifact
from mmcli.store.columns import Batch
from mmcli.store.keys import file_digest
from mmcli.store.opening import open_samples, samples_of_rows
from mmcli.store.rows import SpooledRows
from mmcli.store.samples import ARTIFACT, ROW, Samples
from mmcli.store.sources.opening import open_table
from mmcli.tables.known_columns import KnownColumns


@dataclass(frozen=True)
class IndexRows:
    """Rows to be embedded.

    Args:
        name: Their name in messages.
        digest: A hash of their content, without the files named in raw rows.
        media_root: The folder or URL to which paths in them are relative.
        count: Number of rows.
        batch: Returns rows ``start`` to ``stop``, exclusive, with preprocessed values or features.
        chain: The model's chain.
        done: The fingerprints of its transforms that have already been applied to the batches.
        raw: Whether they come from a table.
    """

    name: str
    digest: str
    media_root: str
    count: int
    batch: Callable[[int, int], Batch]
    chain: Chain
    done: frozenset[str]
    raw: bool


def open_rows(model: TrainedModel, source: str, config: RowsConfig, runtime: Runtime, reporter: Reporter) -> IndexRows:
    """Open the rows of a raw table, an artifact of the model's chain, or standard input.

    Raises:
        MmcliError: The source is invalid.
    """
    root, text, limit = config.root, config.written, config.limit
    if is_artifact(Path(source)):
        return _from_samples(model, open_samples(source, STAGES, limit))
    table = open_table(source, text=text)
    spool, seen = SpooledRows(), set[str]()
    for _, row in itertools.islice(table.rows, limit):
        spool.append(row)
        seen.update(row)
    rows = spool.close()
    first = rows.rows(0, min(len(rows), 1))
    if not first:
        raise MmcliError(f"{table.name}: no rows to index")
    if source == "-" and {ARTIFACT, ROW} <= first[0].keys():
        with rows.path.open("rb") as lines:
            return _from_samples(model, samples_of_rows(lines))
    media_root, identity = table.root if root is None else root, model.artifact.roles.id
    chain = Chain(model.artifact, MediaFolder(media_root), identity)
    warn_of_other_readers(chain, reporter)
    chain.tell_lacking()
    KnownColumns(chain, model.sources, table.name, sorted(seen)).warn_where_fixed(reporter)

    def batch(start: int, stop: int) -> Batch:
        numbered = enumerate(rows.rows(start, stop), start)
        return chain.decode(Batch([{identity: str(number), **row} for number, row in numbered], {}), runtime)

    digest = file_digest(rows.path)
    return IndexRows(table.name, digest, media_root, len(rows), batch, chain, chain.decoding(), raw=True)


def _from_samples(model: TrainedModel, samples: Samples) -> IndexRows:
    chain = Chain(model.artifact, MediaFolder(samples.first.media_root), samples.roles.id)
    done = check_same_chain(samples.name, samples.chain, model.artifact.chain)
    return IndexRows(
        samples.name, samples.digest, samples.first.media_root, len(samples), samples.batch_with_reasons, chain, done,
        raw=False,
    )  # fmt: skip
