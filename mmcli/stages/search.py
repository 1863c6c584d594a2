"""search: finds the rows closest to queries, in an index or in any rows that a model can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mmcli.context import RunContext, listed, takes
from mmcli.errors import UsageError
from mmcli.inference.inputs import open_inputs
from mmcli.inference.model import TrainedModel
from mmcli.inference.prediction_file import Written, written
from mmcli.retrieval.config import SearchConfig
from mmcli.retrieval.embed import require_embeddings
from mmcli.retrieval.faiss_lists import check_lists, require_faiss
from mmcli.retrieval.nearest import (
    ROWS_OF_AN_ITEM,
    Nearest,
    blocks_of_index,
    blocks_of_inputs,
    likely_numbers,
    look_at_all,
    open_index,
    searched,
)
from mmcli.retrieval.queries import embed_queries, parse_query
from mmcli.stages.index import STAGE as INDEX
from mmcli.store.artifact import is_artifact
from mmcli.store.columns import Row


@takes(SearchConfig)
def search(
    model: Path,
    queries: Sequence[str],
    output: Path | None = None,
    config: SearchConfig | None = None,
    context: RunContext = RunContext(),  # noqa: B008 - frozen
) -> Iterator[list[Row]] | Written:
    """Yield the rows closest to each query, closest first, one group per query, or write them to a file.

    Args:
        model: The folder of a retrieval model.
        queries: Each a value of the model's only text modality, or ``MODALITY=VALUE``.
        output: A file for the answers.
        config: What to search in, and how.
        context: Where to run and report.

    Raises:
        MmcliError: The model, the source or a query is invalid, or a package is not installed.
    """
    assert config is not None
    return written(output, _answers(model, listed(queries), config, context), config.in_)


def _answers(model: Path, queries: Sequence[str], config: SearchConfig, context: RunContext) -> Iterator[list[Row]]:
    runtime = context.runtime(config.rows.seed)
    source, top, limit = config.in_, config.top, config.rows.limit
    if not queries and not config.query_image:
        raise UsageError("no query: give a text, MODALITY=VALUE, or --query-image FILE")
    trained = TrainedModel(model)
    require_embeddings(trained, "search")
    index = open_index(trained, source) if is_artifact(Path(source), INDEX) else None
    if config.faiss:
        require_faiss()
        if index is None:
            raise UsageError(f"--faiss: {source} is not an index; make one with mmcli index --faiss and search in it")
        check_lists(index)
    asked = [parse_query(trained, text, "text", "QUERY") for text in queries]
    asked += [parse_query(trained, text, "image", "--query-image") for text in config.query_image]
    # Several rows of a group may be one item, such as an image with several texts, so keep more rows than needed.
    most = top if trained.artifact.roles.group is None else top * ROWS_OF_AN_ITEM
    nearest = [Nearest(each, searched(trained, each, config.by), most) for each in asked]
    embedded = embed_queries(trained, asked, runtime)
    if index is not None:
        count = len(index) if limit is None else min(limit, len(index))
        likely = likely_numbers(index, nearest, embedded, most, count) if config.faiss else np.arange(count)
        for block in blocks_of_index(index, likely):
            look_at_all(nearest, embedded, block)
        numbers = sorted({int(number) for each in nearest for number in each.numbers})
        rows = dict(zip(numbers, index.rows.take(numbers), strict=True))
        roles = index.roles
    else:
        rows, roles = {}, trained.artifact.roles
        inputs = open_inputs(trained, source, config.rows, runtime, context.reporter)
        for block in blocks_of_inputs(trained, inputs, runtime):
            look_at_all(nearest, embedded, block)
            numbers = sorted({int(number) for each in nearest for number in each.numbers})
            rows = {**rows, **dict(zip(block.numbers.tolist(), block.rows, strict=True))}
            rows = {number: rows[number] for number in numbers}
    for each in nearest:
        yield each.answers(rows, roles, top)
