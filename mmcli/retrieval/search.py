"""search: the rows nearest to a query, by an exact product with the embeddings of every row, or of likely ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError, UsageError
from mmcli.inference.inputs import Asked, open_inputs
from mmcli.inference.model import TrainedModel
from mmcli.reporting import Reporter, Silent
from mmcli.retrieval.embed import embedding_specs, kinds_of, require_embeddings
from mmcli.retrieval.faiss_lists import check_lists, likely_rows, require_faiss
from mmcli.retrieval.index import STAGE
from mmcli.retrieval.queries import Query, check_modality, embed_queries, parse_query
from mmcli.runtime import Runtime, detect
from mmcli.store.artifact import Artifact, Roles, is_artifact
from mmcli.store.columns import Array, Row
from mmcli.store.samples import OWN_COLUMNS
from mmcli.store.sources.dialect import Quoting, TableText

_ROWS_OF_AN_ITEM = 16
_DIGITS = 9
"""Of a cosine: those behind them depend on where in memory a row lies."""


@dataclass(frozen=True)
class _Block:
    """Rows by their numbers, (B,) rising: for each modality its embeddings, (B, D) float64, and presence, (B,)."""

    numbers: Array
    embeddings: Mapping[str, Array]
    present: Mapping[str, Array]
    rows: Sequence[Row] = ()


class _Nearest:
    """The nearest rows to one query, of those seen so far.

    Args:
        query: What is asked.
        modalities: What rows are found by: the nearest of a row's own.
        top: How many rows are kept.
    """

    def __init__(self, query: Query, modalities: Sequence[str], top: int) -> None:
        self.query = query
        self.modalities = modalities
        self._top = top
        self.scores = np.zeros(0)
        self.numbers = np.zeros(0, np.int64)
        self.places = np.zeros(0, np.int64)

    def look_at(self, numbers: Array, scores: Array) -> None:
        """Take in those rows that are nearer than those kept; of equals the first ones are kept.

        Args:
            numbers: Of the rows, (B,), above those of rows looked at before.
            scores: Of each of ``modalities``, (M, B), -inf where it is absent.
        """
        found = scores.max(axis=0)
        there = np.flatnonzero(found > (self.scores[-1] if len(self.scores) == self._top else -np.inf))
        if not len(there):
            return
        self.scores = np.concatenate([self.scores, found[there]])
        self.numbers = np.concatenate([self.numbers, numbers[there]])
        self.places = np.concatenate([self.places, scores[:, there].argmax(axis=0)])
        kept = np.lexsort((self.numbers, -self.scores))[: self._top]
        self.scores, self.numbers, self.places = self.scores[kept], self.numbers[kept], self.places[kept]

    def answers(self, rows: Mapping[int, Row], roles: Roles, top: int) -> list[Row]:
        """Return at most ``top`` answers, the nearest row first; of the rows of a group that are one item the first."""
        found: list[Row] = []
        seen: set[tuple[Any, ...]] = set()
        for score, number, place in zip(self.scores, self.numbers, self.places, strict=True):
            row = rows[int(number)]
            group = None if roles.group is None else row.get(roles.group)
            key = (number,) if group is None else (str(group), score, place)
            if key in seen or len(found) == top:
                continue
            seen.add(key)
            told = {"query": self.query.told, "rank": len(found) + 1, "id": str(row.get(roles.id, number))}
            raw = {name: value for name, value in row.items() if name not in OWN_COLUMNS}
            found.append({**told, "score": float(score), "modality": self.modalities[int(place)], "row": raw})
        return found


def _look_at(nearest: Sequence[_Nearest], embedded: Array, block: _Block) -> None:
    """Let all queries, of embeddings (Q, D), look at a block."""
    asked, products = _unit(embedded), {}
    for name in {name for each in nearest for name in each.modalities}:
        cosines = np.round(asked @ _unit(block.embeddings[name]).T, _DIGITS)
        products[name] = np.where(block.present[name], cosines, -np.inf)
    for number, each in enumerate(nearest):
        each.look_at(block.numbers, np.stack([products[name][number] for name in each.modalities]))


def _unit(embeddings: Array) -> Array:
    """Return embeddings (B, D) of norm 1 in float64: stored ones have it but for their last bits."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(norms > 0, norms, 1), np.float64)


def search(
    model: Path,
    source: str,
    *,
    query: Sequence[str] = (),
    query_image: Sequence[str] = (),
    top: int = 10,
    search: str | None = None,
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
    reporter: Reporter | None = None,
) -> Iterator[list[Row]]:
    """Return the nearest rows to each query, nearest first, in a group for each.

    Args:
        model: The folder of a model of the task retrieval.
        source: An index, any artifact of the model's chain, a raw table, or ``-``.
        query: Values of the model's only text modality, or ``MODALITY=VALUE`` each.
        query_image: Files of its only image modality, likewise.
        top: Rows for each query at most.
        search: The modality that rows are found by; None is all of another kind than the query's.
        root: See ``predict``.
        encoding: See ``predict``.
        delimiter: See ``predict``.
        quoting: See ``predict``.
        header: See ``predict``.
        sheet: See ``predict``.
        limit: Rows to look at, at most.
        seed: See ``predict``.
        jobs: See ``predict``.
        device: See ``predict``.
        deterministic: See ``predict``.
        faiss: Look only at rows of an index that are likely to be among the nearest, by its lists.
        reporter: Is told what happens.

    Raises:
        MmcliError: The model or the source is not as it must be, a query cannot be read, or a package is not installed.
    """
    reporter = reporter if reporter is not None else Silent()
    runtime = detect(jobs, device, "auto", None, seed, deterministic=deterministic)
    trained = TrainedModel(model)
    require_embeddings(trained, "--query" if query else "--query-image")
    if top < 1:
        raise UsageError(f"--top {top}: expected at least 1")
    index = _open_index(trained, source) if is_artifact(Path(source), STAGE) else None
    if faiss:
        require_faiss()
        if index is None:
            raise UsageError(f"--faiss: {source} is no index; make one by --index DIR --faiss, and search in DIR")
        check_lists(index)
    queries = [parse_query(trained, text, "text", "--query") for text in query]
    queries += [parse_query(trained, text, "image", "--query-image") for text in query_image]
    # A group's rows may be one item, such as a picture with several texts: more are kept than are answered.
    most = top if trained.artifact.roles.group is None else top * _ROWS_OF_AN_ITEM
    nearest = [_Nearest(each, _searched(trained, each, search), most) for each in queries]
    embedded = embed_queries(trained, queries, runtime)
    if index is not None:
        count = len(index) if limit is None else min(limit, len(index))
        likely = _likely(index, nearest, embedded, most, count) if faiss else np.arange(count)
        for block in _blocks_of_index(index, likely):
            _look_at(nearest, embedded, block)
        numbers = sorted({int(number) for each in nearest for number in each.numbers})
        rows = dict(zip(numbers, index.rows.take(numbers), strict=True))
        roles = index.roles
    else:
        rows, roles = {}, trained.artifact.roles
        inputs = open_inputs(
            trained,
            source,
            runtime,
            reporter,
            root=root,
            text=TableText(encoding, delimiter, quoting, header, sheet),
            limit=limit,
        )
        for block in _blocks_of_inputs(trained, inputs, runtime):
            _look_at(nearest, embedded, block)
            numbers = sorted({int(number) for each in nearest for number in each.numbers})
            rows = {**rows, **dict(zip(block.numbers.tolist(), block.rows, strict=True))}
            rows = {number: rows[number] for number in numbers}
    for each in nearest:
        yield each.answers(rows, roles, top)


def _searched(model: TrainedModel, query: Query, asked: str | None) -> list[str]:
    """Return the modalities that rows are found by: those of other kinds, or else the other ones."""
    if asked is not None:
        check_modality(model, asked)
        return [asked]
    kinds = kinds_of(model)
    others = [name for name in model.sources if kinds[name] != kinds[query.modality]]
    return others or [name for name in model.sources if name != query.modality]


def _open_index(model: TrainedModel, source: str) -> Artifact:
    index = Artifact(Path(source))
    if index.modalities != embedding_specs(model):
        raise MmcliError(f"{source}: an index of another model than {model.artifact.path}; make it again with --index")
    return index


def _likely(index: Artifact, nearest: Sequence[_Nearest], embedded: Array, top: int, count: int) -> Array:
    """Return the rows, of the first ``count``, that the queries of embeddings (Q, D) should look at."""
    found = [np.zeros(0, np.int64)]
    for name in index.modalities:
        asked = embedded[[name in each.modalities for each in nearest]]
        if len(asked):
            found.append(likely_rows(index, name, asked, top, count))
    return np.unique(np.concatenate(found))


def _blocks_of_index(index: Artifact, numbers: Array) -> Iterator[_Block]:
    """Map shard after shard."""
    for start in range(0, len(numbers), index.shard_rows):
        rows = numbers[start : start + index.shard_rows]
        columns = {name: index.take(name, rows) for name in index.modalities}
        yield _Block(
            rows, {name: np.asarray(column.main.values, np.float64) for name, column in columns.items()},
            {name: column.present for name, column in columns.items()},
        )  # fmt: skip


def _blocks_of_inputs(model: TrainedModel, inputs: Iterator[Asked], runtime: Runtime) -> Iterator[_Block]:
    start = 0
    for asked in inputs:
        embedded = model.outputs(model.vectors(asked.batch.columns, runtime))[0]
        each = {name: embedded[:, place] for place, name in enumerate(model.sources)}
        rows = [{model.artifact.roles.id: own, **row} for own, row in zip(asked.ids, asked.batch.rows, strict=True)]
        there = {name: np.invert(np.isnan(values).any(axis=1)) for name, values in each.items()}
        yield _Block(np.arange(start, start + len(rows)), each, there, rows)
        start += len(rows)
