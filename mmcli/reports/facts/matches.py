"""Examples of retrieval: what some items find in another modality."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from mmcli.reports.facts.parts import Part
from mmcli.store.columns import Array

_QUERIES, _HITS = 6, 5


def matches_of(part: Part, modalities: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each direction six queries, evenly spaced over the rows, with their five nearest items.

    Items that are equal and of one group count once.

    Args:
        part: Its predictions are embeddings, (S, M, D), NaN if absent.
        modalities: The names of the M modalities.
    """
    if part.predictions.ndim != 3 or part.predictions.shape[1] != len(modalities):
        return []
    groups = np.unique(part.wanted, axis=0, return_inverse=True)[1].ravel()
    found = []
    for query, candidate in permutations(range(len(modalities)), 2):
        asked, items = (_items(part.predictions[:, place], groups) for place in (query, candidate))
        asked = asked[np.isin(groups[asked], groups[items])]
        if not len(asked):
            continue
        spaced = np.linspace(0, len(asked) - 1, min(_QUERIES, len(asked))).round().astype(int)
        queries = []
        for row in asked[np.unique(spaced)].tolist():
            scores = part.predictions[items, candidate] @ part.predictions[row, query]
            order = np.argsort(-scores, kind="stable")
            right = groups[items[order]] == groups[row]
            queries.append(
                {
                    "row": int(part.rows[row]), "rank": int(np.flatnonzero(right)[0]) + 1,
                    "hits": [
                        {"row": int(part.rows[items[place]]), "score": float(scores[place]), "right": bool(fits)}
                        for place, fits in zip(order[:_HITS].tolist(), right[:_HITS].tolist(), strict=True)
                    ],
                }
            )  # fmt: skip
        found.append(
            {"query": modalities[query], "found": modalities[candidate], "items": len(items), "queries": queries}
        )
    return found


def _items(embeddings: Array, groups: Array) -> Array:
    """Return the first row of each distinct item that is there, in order."""
    there = np.flatnonzero(~np.isnan(embeddings).any(axis=1))
    seen = {(int(groups[row]), embeddings[row].tobytes()): int(row) for row in there[::-1]}
    return np.array(sorted(seen.values()), np.int64)
