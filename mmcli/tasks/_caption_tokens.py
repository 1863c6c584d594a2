"""Captions as words and punctuation, and as numbers by a vocabulary of the train rows."""

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
    r"""Return what finds a number, a word with hyphens in it, the end of one such as ``'s``, or another character.

    Marks that some scripts write their vowels with are parts of a word, which ``\w`` lacks.
    """
    marks = "".join(
        letter
        for letter in map(chr, range(0x300, min(0x10000, sys.maxunicode)))
        if unicodedata.category(letter) in ("Mn", "Mc")
    )
    letter = rf"[\w{marks}]"
    return re.compile(rf"\d+(?:[.,]\d+)+|{letter}+(?:-{letter}+)*|['’](?:s|t|re|ve|ll|d|m)\b|\S")


def words_of(text: str) -> list[str]:
    """Return the words and the punctuation of a text, in lower case; of languages that put spaces between words."""
    return _pattern().findall(unicodedata.normalize("NFC", text).lower())


def is_word(token: str) -> bool:
    """Return whether a token is a word, not punctuation; measures leave the latter out, as pycocoevalcap does."""
    return any(letter.isalnum() for letter in token)


def put_together(tokens: Iterable[str]) -> str:
    """Return the text that tokens are written as: no space before a full stop or the end of a word."""
    text, joins = "", True
    for token in tokens:
        clitic = len(token) > 1 and token[0] in "'’"
        text += token if joins or clitic or token in _BEFORE else f" {token}"
        joins = token in _AFTER
    return text


def texts_of(target: Any, separator: str | None) -> list[str]:
    """Return the texts of a target, none where it is not one text or a list of texts.

    Args:
        target: A text, or several: a list of them, also written as ``["a", "b"]``, or parts of a cell.
        separator: What parts a cell; None if a cell is one text.
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
    """Return the commonest of the captions in which all tokens are known, and how often it is there.

    Of those as common as each other it is the one of the commonest words; where there is none, the commonest word.
    """
    frequency = Counter(token for caption in captions for token in set(caption))
    times = Counter(tuple(caption[:most]) for caption in captions if set(caption[:most]) <= set(known))

    def rank(caption: tuple[str, ...]) -> tuple[int, float, tuple[str, ...]]:
        return times[caption], sum(math.log(frequency[token]) for token in caption) / len(caption), caption

    found = max((caption for caption in times if caption), key=rank, default=(known[len(SPECIAL)],))
    return found, max(1, times[found])


def vocabulary(captions: Iterable[Sequence[str]], min_count: int) -> list[str]:
    """Return the special tokens and those that are in the captions ``min_count`` times, the most frequent first."""
    counts = Counter(token for caption in captions for token in caption)
    kept = sorted((-count, token) for token, count in counts.items() if count >= min_count)
    return [*SPECIAL, *(token for _, token in kept)]


def to_ids(rows: Sequence[Sequence[Sequence[str]]], index: dict[str, int], most: int) -> NDArray[np.int64]:
    """Return the captions of each row with an end behind each, (N, R, T), filled up with ``PAD``.

    A caption of more than ``most`` tokens is cut off, without an end.

    Args:
        rows: Of each row its captions, as tokens.
        index: The number of each token.
        most: How many tokens are kept.
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
