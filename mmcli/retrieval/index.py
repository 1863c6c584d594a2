"""index: the embeddings that a model makes of each modality of rows, stored so that queries find them."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmcli.chain.chain import Chain, check_same_chain
from mmcli.chain.driver import Summary, Work, drive, summary_of, up_to_date
from mmcli.errors import MmcliError
from mmcli.inference.inputs import STAGES, warn_of_other_readers
from mmcli.inference.model import TrainedModel
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter, Silent
from mmcli.retrieval.embed import EmbedTransform, require_embeddings
from mmcli.retrieval.faiss_lists import VERSION, require_faiss, write_lists
from mmcli.runtime import Runtime, detect
from mmcli.store.artifact import is_artifact
from mmcli.store.columns import Batch
from mmcli.store.keys import file_digest, fingerprint
from mmcli.store.opening import open_samples, samples_of_rows
from mmcli.store.rows import SpooledRows
from mmcli.store.samples import ARTIFACT, ROW, Samples
from mmcli.store.sources.dialect import Quoting, TableText
from mmcli.store.sources.opening import open_table
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tables.known_columns import KnownColumns

STAGE = EmbedTransform.stage


def build_index(
    model: Path,
    source: str,
    output: Path,
    *,
    root: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quoting: Quoting = "auto",
    header: Sequence[str] = (),
    sheet: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    device: str = "auto",
    deterministic: bool = False,
    faiss: bool = False,
    fresh: bool = False,
    reporter: Reporter | None = None,
) -> Summary:
    """Embed every modality of every row, and write an artifact that holds this beside the rows.

    Args:
        model: The folder of a model of the task retrieval.
        source: A raw table, an artifact of the model's chain, or ``-``.
        output: The folder to write.
        root: The folder that media paths of a raw table are relative to; None is the table's own.
        encoding: Of a raw table's text.
        delimiter: Between the cells of a raw table.
        quoting: What quotes in it mean.
        header: The names of its columns, where it has none.
        sheet: Of a workbook.
        limit: Rows at most.
        seed: Recorded.
        jobs: Workers.
        device: Where to compute.
        deterministic: On a GPU too, the same bits each time.
        faiss: Also write inverted lists, by which ``search`` looks at few of many rows.
        fresh: Ignore what earlier runs computed.
        reporter: Is told what happens.

    Raises:
        MmcliError: The model or the source is not as it must be, or a package is not installed.
    """
    began = time.time()
    reporter = reporter if reporter is not None else Silent()
    runtime = detect(jobs, device, "auto", None, seed, deterministic=deterministic)
    check_output(Path(os.path.abspath(output)), STAGE)
    trained = TrainedModel(model)
    require_embeddings(trained, "--index")
    if faiss:
        require_faiss()
    rows = _open_rows(
        trained, source, root, TableText(encoding, delimiter, quoting, header, sheet), limit, runtime, reporter
    )
    transform = EmbedTransform(trained, rows.chain, rows.done, rows.name)
    record = {
        "source": fingerprint([rows.digest, trained.artifact.digest]), "media_root": rows.media_root, "seed": seed,
        "parameters": {"limit": limit, **({"faiss": VERSION} if faiss else {})},
    }  # fmt: skip
    with ArtifactWriter(output, STAGE, fresh) as writer:
        # The files that a raw table names may have changed.
        same = None if fresh or rows.raw else up_to_date(writer.output, STAGE, record, transform.config())
        if same is not None:
            return summary_of(same, began)
        upstream = [(record, trained.artifact.states(record)) for record in trained.artifact.chain]
        work = Work(transform, rows.count, rows.batch, trained.artifact.roles, upstream, record)
        if faiss:
            specs = transform.modalities()
            work = replace(work, finish=lambda folder: write_lists(folder, specs, rows.count, reporter))
        return drive(writer, work, runtime, reporter, began)


@dataclass(frozen=True)
class _Rows:
    """Rows to be embedded.

    Args:
        name: What to call them in messages.
        digest: A hash of everything in them, but for the files that raw rows name.
        media_root: What paths in them are relative to.
        count: How many there are.
        batch: Gives those from one number up to another, with stored values or features.
        chain: Of the model.
        done: The fingerprints of its transforms that have been applied to the batches.
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


def _open_rows(
    model: TrainedModel, source: str, root: str | None, text: TableText, limit: int | None, runtime: Runtime,
    reporter: Reporter,
) -> _Rows:  # fmt: skip
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
    KnownColumns(chain, table.name, sorted(seen)).warn_where_fixed(reporter)

    def batch(start: int, stop: int) -> Batch:
        numbered = enumerate(rows.rows(start, stop), start)
        return chain.decode(Batch([{identity: str(number), **row} for number, row in numbered], {}), runtime)

    digest = file_digest(rows.path)
    return _Rows(table.name, digest, media_root, len(rows), batch, chain, chain.decoding(), raw=True)


def _from_samples(model: TrainedModel, samples: Samples) -> _Rows:
    chain = Chain(model.artifact, MediaFolder(samples.first.media_root), samples.roles.id)
    done = check_same_chain(samples.name, samples.chain, model.artifact.chain)
    return _Rows(
        samples.name, samples.digest, samples.first.media_root, len(samples), samples.batch_with_reasons, chain, done,
        raw=False,
    )  # fmt: skip
