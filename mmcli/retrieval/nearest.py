"""Finds the rows closest to queries by exact products with the embeddings of all rows, or of likely ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.inference.inputs import Asked
from mmcli.inference.model import TrainedModel
from mmcli.retrieval.embed import embedding_specs, kinds_of
from mmcli.retrieval.faiss_lists import likely_rows
from mmcli.retrieval.queries import Query, check_modality
from mmcli.runtime import Runtime
from mmcli.store.artifact import Artifact, Roles
from mmcli.store.columns import Array, Row
from mmcli.store.samples import OWN_COLUMNS

ROWS_OF_AN_ITEM = 16
_DIGITS = 9
"""Digits kept of a cosine; further ones depend on a row's position in memory."""


@dataclass(frozen=True)
class Block:
    """Rows by ascending number, (B,), with each modality's embeddings, (B, D) float64, and presence, (B,)."""

    numbers: Array
    embeddings: Mapping[str, Array]
    present: Mapping[str, Array]
    rows: Sequence[Row] = ()


class Nearest:
    """The rows closest to one query among those seen so far.

    Args:
        query: The query.
        modalities: The modalities to compare; the closest one of each row counts.
        top: Number of rows to keep.
    """

    def __init__(self, query: Query, modalities: Sequence[str], top: int) -> None:
        self.query = query
        self.modalities = modalities
        self._top = top
        self.scores = np.zeros(0)
        self.numbers = np.zeros(0, np.int64)
        self.places = np.zeros(0, np.int64)

    def look_at(self, numbers: Array, scores: Array) -> None:
        """Keep the rows that are closer than those kept so far; in ties the first ones are kept.

        Args:
            numbers: The numbers of the rows, (B,), greater than all seen before.
            scores: The scores of each of ``modalities``, (M, B), -inf where it is absent.
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
        """Return at most ``top`` answers, closest first; of several rows that are one item, only the first."""
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


def look_at_all(nearest: Sequence[Nearest], embedded: Array, block: Block) -> None:
    """Compare all queries, with embeddings (Q, D), with a block."""
    asked, products = _unit(embedded), {}
    for name in {name for each in nearest for name in each.modalities}:
        cosines = np.round(asked @ _unit(block.embeddings[name]).T, _DIGITS)
        products[name] = np.where(block.present[name], cosines, -np.inf)
    for number, each in enumerate(nearest):
        each.look_at(block.numbers, np.stack([products[name][number] for name in each.modalities]))


def _unit(embeddings: Array) -> Array:
    """Normalize embeddings (B, D) in float64; stored ones have norm 1 except for their last bits."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(norms > 0, norms, 1), np.float64)


def searched(model: TrainedModel, query: Query, asked: str | None) -> list[str]:
    """Return the modalities to compare: by default those of other kinds than the query's, or else all others."""
    if asked is not None:
        check_modality(model, asked)
        return [asked]
    kinds = kinds_of(model)
    others = [name for name in model.sources if kinds[name] != kinds[query.modality]]
    return others or [name for name in model.sources if name != query.modality]


def open_index(model: TrainedModel, source: str) -> Artifact:
    """Open an index made by this model.

    Raises:
        MmcliError: Another model made it.
    """
    index = Artifact(Path(source))
    if index.modalities != embedding_specs(model):
        raise MmcliError(
            f"{source}: made by another model than {model.artifact.path}; make the index again with mmcli index"
        )
    return index


def likely_numbers(index: Artifact, nearest: Sequence[Nearest], embedded: Array, top: int, count: int) -> Array:
    """Return the rows among the first ``count`` that queries with embeddings (Q, D) should look at."""
    found = [np.zeros(0, np.int64)]
    for name in index.modalities:
        asked = embedded[[name in each.modalities for each in nearest]]
        if len(asked):
            found.append(likely_rows(index, name, asked, top, count))
    return np.unique(np.concatenate(found))


def blocks_of_index(index: Artifact, numbers: Array) -> Iterator[Block]:
    """Yield the blocks of an index, one shard at a time."""
    for start in range(0, len(numbers), index.shard_rows):
        rows = numbers[start : start + index.shard_rows]
        columns = {name: index.take(name, rows) for name in index.modalities}
        yield Block(
            rows, {name: np.asarray(column.main.values, np.float64) for name, column in columns.items()},
            {name: column.present for name, column in columns.items()},
        )  # fmt: skip


def blocks_of_inputs(model: TrainedModel, inputs: Iterator[Asked], runtime: Runtime) -> Iterator[Block]:
    """Yield rows as blocks, embedding them as they arrive."""
    start = 0
    for asked in inputs:
        embedded = model.outputs(model.vectors(asked.batch.columns, runtime))[0]
        each = {name: embedded[:, place] for place, name in enumerate(model.sources)}
        rows = [{model.artifact.roles.id: own, **row} for own, row in zip(asked.ids, asked.batch.rows, strict=True)]
        there = {name: np.invert(np.isnan(values).any(axis=1)) for name, values in each.items()}
        yield Block(np.arange(start, start + len(rows)), each, there, rows)
        start += len(rows)
