"""Captions as words and punctuation, and as ids in a vocabulary of the train rows."""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.store.labels import listed
from mmcli.tasks._separators import parted

PAD, BEGIN, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<begin>", "<end>", "<unk>")
_BEFORE, _AFTER = frozenset(".,;:!?%)]}…"), frozenset("([{#$£€")


@cache
def _pattern() -> re.Pattern[str]:
    r"""Return the pattern of a number, a word (hyphens included), a clitic such as ``'s``, or another character.

    Combining vowel marks of some scripts belong to words, which ``\w`` does not match.
    """
    marks = "".join(
        letter
        for letter in map(chr, range(0x300, min(0x10000, sys.maxunicode)))
        if unicodedata.category(letter) in ("Mn", "Mc")
    )
    letter = rf"[\w{marks}]"
    return re.compile(rf"\d+(?:[.,]\d+)+|{letter}+(?:-{letter}+)*|['’](?:s|t|re|ve|ll|d|m)\b|\S")


def words_of(text: str) -> list[str]:
    """Return the words and punctuation of a text, in lower case; for languages with spaces between words."""
    return _pattern().findall(unicodedata.normalize("NFC", text).lower())


def is_word(token: str) -> bool:
    """Return whether a token is a word; metrics ignore punctuation, as pycocoevalcap does."""
    return any(letter.isalnum() for letter in token)


def put_together(tokens: Iterable[str]) -> str:
    """Join tokens to a text, without spaces before full stops and clitics."""
    text, joins = "", True
    for token in tokens:
        clitic = len(token) > 1 and token[0] in "'’"
        text += token if joins or clitic or token in _BEFORE else f" {token}"
        joins = token in _AFTER
    return text


def texts_of(target: Any, separator: str | None) -> list[str]:
    """Return the texts of a target; none if it is neither a text nor a list of texts.

    Args:
        target: A text, or several: a list, also written as ``["a", "b"]``, or a cell with separators.
        separator: Separator of texts in a cell; None if a cell is one text.
    """
    if isinstance(target, str) and target.lstrip()[:2] in ("['", '["'):
        target = listed(target) or target
    if isinstance(target, list | tuple):
        whole = all(isinstance(text, str) for text in target)
        return [text.strip() for text in target if text.strip()] if whole else []
    if target is None or isinstance(target, dict):
        return []
    text = str(target).strip()
    return parted(text, separator) if separator is not None else [text] if text else []


def commonest(captions: Sequence[Sequence[str]], known: Sequence[str], most: int) -> tuple[tuple[str, ...], int]:
    """Return the most frequent caption whose tokens are all known, and its count.

    Ties go to the caption with the most frequent words; without any such caption it is the most frequent word.
    """
    frequency = Counter(token for caption in captions for token in set(caption))
    times = Counter(tuple(caption[:most]) for caption in captions if set(caption[:most]) <= set(known))

    def rank(caption: tuple[str, ...]) -> tuple[int, float, tuple[str, ...]]:
        return times[caption], sum(math.log(frequency[token]) for token in caption) / len(caption), caption

    found = max((caption for caption in times if caption), key=rank, default=(known[len(SPECIAL)],))
    return found, max(1, times[found])


def vocabulary(captions: Iterable[Sequence[str]], min_count: int) -> list[str]:
    """Return the special tokens, then those with at least ``min_count`` occurrences, the most frequent first."""
    counts = Counter(token for caption in captions for token in caption)
    kept = sorted((-count, token) for token, count in counts.items() if count >= min_count)
    return [*SPECIAL, *(token for _, token in kept)]


def to_ids(rows: Sequence[Sequence[Sequence[str]]], index: dict[str, int], most: int) -> NDArray[np.int64]:
    """Return the captions of each row, each with an end token, (N, R, T), padded with ``PAD``.

    A caption of more than ``most`` tokens is cut, without an end token.

    Args:
        rows: The captions of each row, as tokens.
        index: The id of each token.
        most: Maximum number of tokens.
    """
    lists = [
        [[index.get(token, UNKNOWN) for token in caption[:most]] + [END] * (len(caption) <= most) for caption in row]
        for row in rows
    ]
    count = max((len(row) for row in lists), default=1)
    length = max((len(caption) for row in lists for caption in row), default=1)
    ids = np.full((len(lists), count, length), PAD, np.int64)
    for number, row in enumerate(lists):
        for place, caption in enumerate(row):
            ids[number, place, : len(caption)] = caption
    return ids
