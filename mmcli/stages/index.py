"""index: stores a model's embeddings of each modality of rows for search."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from mmcli.chain.driver import Summary, Work, drive, summary_of, up_to_date
from mmcli.context import RunContext, takes
from mmcli.inference.model import TrainedModel
from mmcli.retrieval.config import IndexConfig
from mmcli.retrieval.embed import EmbedTransform, require_embeddings
from mmcli.retrieval.faiss_lists import VERSION, require_faiss, write_lists
from mmcli.retrieval.rows import open_rows
from mmcli.store.keys import fingerprint
from mmcli.store.writer import ArtifactWriter, check_output

STAGE = EmbedTransform.stage


@takes(IndexConfig)
def index(model: Path, source: str, output: Path, config: IndexConfig, context: RunContext) -> Summary:
    """Embed every modality of every row, and write an artifact with the rows and their embeddings.

    Raises:
        MmcliError: The model or the source is invalid, or a package is not installed.
    """
    began = time.time()
    reporter, fresh, faiss, seed = context.reporter, context.fresh, config.faiss, config.rows.seed
    runtime = context.runtime(seed)
    check_output(Path(os.path.abspath(output)), STAGE)
    trained = TrainedModel(model)
    require_embeddings(trained, "index")
    if faiss:
        require_faiss()
    rows = open_rows(trained, source, config.rows, runtime, reporter)
    transform = EmbedTransform(trained, rows.chain, rows.done, rows.name)
    record = {
        "source": fingerprint([rows.digest, trained.artifact.digest]), "media_root": rows.media_root, "seed": seed,
        "parameters": {"limit": config.rows.limit, **({"faiss": VERSION} if faiss else {})},
    }  # fmt: skip
    with ArtifactWriter(output, STAGE, fresh) as writer:
        # Files named in a raw table may have changed.
        same = None if fresh or rows.raw else up_to_date(writer.output, STAGE, record, transform.config())
        if same is not None:
            return summary_of(same, began)
        upstream = [(record, trained.artifact.states(record)) for record in trained.artifact.chain]
        work = Work(transform, rows.count, rows.batch, trained.artifact.roles, upstream, record)
        if faiss:
            specs = transform.modalities()
            work = replace(work, finish=lambda folder: write_lists(folder, specs, rows.count, reporter))
        return drive(writer, work, runtime, reporter, began)
