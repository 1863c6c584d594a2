"""Metrics of captions against several references each: BLEU, ROUGE-L, CIDEr-D.

A caption is a list of words, its references are a list of such lists.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = Sequence[str]
Grams = Counter[tuple[str, ...]]
ORDERS = 4
_BETA = 1.2
_SIGMA = 6.0


def caption_scores(found: Sequence[Words], wanted: Sequence[Sequence[Words]]) -> dict[str, Floats]:
    """Return one number per row, (N,), for each metric that is the mean of such numbers."""
    return {
        "cider": cider(found, wanted),
        "rouge_l": np.array([rouge_l(words, own) for words, own in zip(found, wanted, strict=True)], np.float64),
        "exact": np.array(
            [list(words) in map(list, own) for words, own in zip(found, wanted, strict=True)], np.float64
        ),
        "length": np.array([len(words) for words in found], np.float64),
    }


def caption_metrics(found: Sequence[Words], wanted: Sequence[Sequence[Words]]) -> dict[str, float]:
    """Return ``bleu_1`` to ``bleu_4`` and the means of ``caption_scores``."""
    every = np.ones((1, len(found)), np.int64)
    return {name: float(values[0]) for name, values in draws_of_captions(found, wanted, every).items()}


def draws_of_captions(
    found: Sequence[Words], wanted: Sequence[Sequence[Words]], counts: NDArray[np.int64]
) -> dict[str, Floats]:
    """Return all metrics of D draws, (D,) each, in which each row occurs ``counts`` (D, N) times.

    ``cider`` uses the word frequencies of all N rows, not those of a draw.
    """
    sums = counts @ bleu_counts(found, wanted)
    total = counts.sum(axis=1)
    means = {name: counts @ values / total for name, values in caption_scores(found, wanted).items()}
    return {**bleu(sums), **means}


def bleu_counts(found: Sequence[Words], wanted: Sequence[Sequence[Words]]) -> NDArray[np.int64]:
    """Return the counts for BLEU, (N, 10): lengths of caption and closest reference, matching n-grams, all n-grams."""
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU(tokenize="none", effective_order=True)
    rows = []
    for words, own in zip(found, wanted, strict=True):
        score = scorer.sentence_score(" ".join(words), [" ".join(each) for each in own])
        rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    return np.array(rows, np.int64).reshape(-1, 2 + 2 * ORDERS)


def bleu(sums: NDArray[np.int64]) -> dict[str, Floats]:
    """Return BLEU from 0 to 1 of each row of sums (D, 10), as sacrebleu computes it, unsmoothed.

    Source: Papineni et al. 2002, BLEU: a Method for Automatic Evaluation of Machine Translation, section 2.3; Post
    2018, A Call for Clarity in Reporting BLEU Scores.
    """
    from sacrebleu.metrics.bleu import BLEU

    def of(row: list[int], order: int) -> float:
        right, all_of_them = row[2 : 2 + order], row[2 + ORDERS : 2 + ORDERS + order]
        score = BLEU.compute_bleu(right, all_of_them, row[0], row[1], "none", max_ngram_order=order)
        return min(1.0, score.score / 100)

    rows = sums.tolist()
    return {f"bleu_{order}": np.array([of(row, order) for row in rows]) for order in range(1, ORDERS + 1)}


def rouge_l(words: Words, references: Sequence[Words]) -> float:
    """Return the F score of the longest common subsequence, with recall weighted 1.2, best over the references.

    An empty text counts as one empty word.

    Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries, section 3, with beta as in
    pycocoevalcap.
    """
    found = list(words) or [""]
    precision = recall = 0.0
    for reference in references:
        wanted = list(reference) or [""]
        common = _common(found, wanted)
        precision, recall = max(precision, common / len(found)), max(recall, common / len(wanted))
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision) if precision and recall else 0.0


def _common(first: list[str], second: list[str]) -> int:
    """Return the length of the longest common subsequence."""
    before = [0] * (len(second) + 1)
    for word in first:
        row = [0]
        for place, other in enumerate(second):
            row.append(before[place] + 1 if word == other else max(row[place], before[place + 1]))
        before = row
    return before[-1]


def cider(found: Sequence[Words], wanted: Sequence[Sequence[Words]]) -> Floats:
    """Return the CIDEr-D of each row, (N,), from 0 to 10, with n-gram frequencies from the references of all rows.

    As in pycocoevalcap, the length of a text is its number of word pairs.

    Source: Vedantam et al. 2015, CIDEr: Consensus-based Image Description Evaluation, section 4 and its CIDEr-D.
    """
    references = [[_grams(words) for words in own] for own in wanted]
    frequency = Counter(gram for own in references for gram in set().union(*own))
    rows = math.log(max(1, len(found)))
    rarity = {gram: rows - math.log(count) for gram, count in frequency.items()}

    def weigh(grams: Grams) -> tuple[list[dict[tuple[str, ...], float]], list[float], int]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
        for gram, count in grams.items():
            vectors[len(gram) - 1][gram] = count * rarity.get(gram, rows)
        norms = [math.sqrt(sum(value * value for value in vector.values())) for vector in vectors]
        return vectors, norms, sum(count for gram, count in grams.items() if len(gram) == 2)

    scores = np.zeros(len(found))
    for row, (words, own) in enumerate(zip(found, references, strict=True)):
        vectors, norms, length = weigh(_grams(words))
        for other, other_norms, other_length in map(weigh, own):
            near = sum(_similarity(vectors[n], other[n]) / ((norms[n] * other_norms[n]) or 1.0) for n in range(ORDERS))
            scores[row] += near * math.exp(-((length - other_length) ** 2) / (2 * _SIGMA**2))
        scores[row] *= 10 / (ORDERS * len(own))
    return scores


def _grams(words: Words) -> Grams:
    return Counter(tuple(words[start : start + n]) for n in range(1, ORDERS + 1) for start in range(len(words) - n + 1))


def _similarity(found: dict[tuple[str, ...], float], wanted: dict[tuple[str, ...], float]) -> float:
    shared = ((value, wanted[gram]) for gram, value in found.items() if gram in wanted)
    return sum(min(value, other) * other for value, other in shared)
