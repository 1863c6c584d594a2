"""Cross-modal retrieval metrics: ranks, recall, mean average precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
TOPS = (1, 5, 10)
_CELLS_AT_ONCE = 2_000_000
_TIE = 1e-9
"""Cosines closer than this are equal: the last bits of a product depend on a candidate's position in memory."""


@dataclass(frozen=True)
class Judged:
    """The results of the Q queries of one direction, each with at least one candidate of its group.

    Args:
        ranks: Rank of the nearest candidate of the query's group, from 1, (Q,).
        precisions: Average precision over all candidates of its group, (Q,).
        relevant: Number of candidates of its group, (Q,).
        groups: Each query's group, (Q,).
        candidates: Total number of candidates.
    """

    ranks: Integers
    precisions: Floats
    relevant: Integers
    groups: Integers
    candidates: int


def judge(embeddings: Floats, groups: Integers, query: int, candidate: int) -> Judged | None:
    """Query the items of one modality with those of another; return None if no query has a relevant candidate.

    Rows of a group with bit-identical embeddings are one item: an image with five captions is one image. A row without
    a modality is not an item of it. Ties are ranked before the query's own candidates.

    Args:
        embeddings: (N, M, D) of norm 1, NaN if absent.
        groups: (N,), the group of each row.
        query: Index of the query modality, below M.
        candidate: Index of the candidate modality.

    Source: Hodosh et al. 2013, Framing Image Description as a Ranking Task, section 4; Karpathy and Fei-Fei 2015,
    section 4.1.
    """
    asked, asked_groups = _items(embeddings[:, query], groups)
    found, found_groups = _items(embeddings[:, candidate], groups)
    starts, stops = (np.searchsorted(found_groups, asked_groups, side) for side in ("left", "right"))
    judged = np.flatnonzero(stops > starts)
    if not len(judged):
        return None
    ranks, precisions = np.zeros(len(judged), np.int64), np.zeros(len(judged))
    at_once = max(1, _CELLS_AT_ONCE // len(found))
    for begin in range(0, len(judged), at_once):
        here = judged[begin : begin + at_once]
        for place, (scores, row) in enumerate(zip(asked[here] @ found.T, here, strict=True), begin):
            ranks[place], precisions[place] = _rank(scores, slice(int(starts[row]), int(stops[row])))
    return Judged(ranks, precisions, (stops - starts)[judged], asked_groups[judged], len(found))


def _items(embeddings: Floats, groups: Integers) -> tuple[Floats, Integers]:
    """Return the distinct items of a modality with their groups, ordered by group."""
    there = np.flatnonzero(~np.isnan(embeddings).any(axis=1))
    bits = np.column_stack([groups[there], np.ascontiguousarray(embeddings[there]).view(np.int64)])
    whole = np.ascontiguousarray(bits).view(np.dtype((np.void, bits.shape[1] * bits.itemsize))).ravel()
    first = there[np.sort(np.unique(whole, return_index=True)[1])]
    first = first[np.argsort(groups[first], kind="stable")]
    return embeddings[first], groups[first]


def _rank(scores: Floats, own: slice) -> tuple[int, float]:
    """Return the rank of the nearest relevant candidate of a query, and the average precision over all of them.

    Args:
        scores: Score of every candidate, (C,); overwritten.
        own: The slice of relevant candidates.
    """
    relevant = np.sort(scores[own])
    scores[own] = -np.inf
    least = relevant - _TIE
    near = scores[scores >= least[0]]
    # For each other candidate, the number of relevant ones that it scores at least as high as.
    passed = np.bincount(np.searchsorted(least, near, side="right"), minlength=len(relevant) + 1)
    before = np.cumsum(passed[:0:-1])
    ranks = before + np.arange(1, len(relevant) + 1)
    return int(ranks[0]), float((np.arange(1, len(relevant) + 1) / ranks).mean())


def direction_metrics(judged: Judged) -> dict[str, float]:
    """Return recall at 1, 5 and 10, the median rank and the mean average precision."""
    found = {f"recall@{top}": float((judged.ranks <= top).mean()) for top in TOPS}
    return {**found, "median_rank": float(np.median(judged.ranks)), "map": float(judged.precisions.mean())}


def direction_draws(judged: Judged, counts: Integers) -> dict[str, Floats]:
    """Return the same metrics of draws, (D,) each, NaN for a draw without queries.

    Args:
        judged: Q queries.
        counts: How often each query occurs in each draw, (D, Q).
    """
    total = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {f"recall@{top}": counts @ (judged.ranks <= top) / total for top in TOPS}
        precision = counts @ judged.precisions / total
    order = np.argsort(judged.ranks, kind="stable")
    sums = np.cumsum(counts[:, order], axis=1)
    last = len(order) - 1
    low, high = ((sums <= (place // 2)[:, None]).sum(axis=1).clip(max=last) for place in (total - 1, total))
    median = (judged.ranks[order][low] + judged.ranks[order][high]) / 2
    return {**found, "median_rank": np.where(total > 0, median, np.nan), "map": precision}


def chance_metrics(relevant: Integers, candidates: int) -> dict[str, float]:
    """Return the expected metrics of a random order.

    The median rank is the smallest rank by which half of the queries are expected to have found a relevant candidate.

    Args:
        relevant: Number of relevant candidates of each query, (Q,), at least 1.
        candidates: C, the total number of candidates.

    Source: the hypergeometric distribution; for the average precision Bestgen 2015, Exact Expected Average Precision
    of the Random Baseline for System Evaluation, equation 2.
    """
    sizes, times = np.unique(relevant, return_counts=True)

    def within(top: int) -> float:
        return float(np.average(1 - _none_within(sizes, candidates, top), weights=times))

    low, high = 1, candidates
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if within(middle) >= 0.5 - _TIE else (middle + 1, high)
    harmonic = float((1 / np.arange(1, candidates + 1)).sum())
    among = (sizes - 1) / max(1, candidates - 1)
    precision = (harmonic + among * (candidates - harmonic)) / candidates
    found = {f"recall@{top}": within(min(top, candidates)) for top in TOPS}
    return {**found, "median_rank": float(low), "map": float(np.average(precision, weights=times))}


def _none_within(sizes: Integers, candidates: int, top: int) -> Floats:
    """Return for each of ``sizes`` the probability that none of so many candidates is among the first ``top``."""
    room = candidates - sizes - top
    rest = np.maximum(room, 0)
    logarithm = gammaln(candidates - sizes + 1) - gammaln(rest + 1) + gammaln(candidates - top + 1)
    return np.where(room < 0, 0.0, np.exp(logarithm - gammaln(candidates + 1)))


def mean_recalls(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over directions of recall at 1, 5 and 10; empty if there is no direction."""
    if not found:
        return {}
    return {f"mean_recall@{top}": float(np.mean([each[f"recall@{top}"] for each in found.values()])) for top in TOPS}
