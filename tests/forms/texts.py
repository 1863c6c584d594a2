"""Forms that a text cell may take."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.forms.form import Form

NO_TEXT = "column 'input': holds half a surrogate pair, which no text has"
MILLION = "word " * 200_000
MARKS = "a" + "\u0301\u0316" * 50_000


def is_text(text: str, tokens: list[str] | None = None) -> Callable[[Mapping[str, np.ndarray]], None]:
    def right(values: Mapping[str, np.ndarray]) -> None:
        assert bytes(values["text"]).decode() == text
        if tokens is not None:
            assert bytes(values["tokens"]).decode().split("\n") == tokens
        assert len(values[""]) == len(bytes(values["tokens"]).decode().split("\n"))
        assert (values[""] > 1).all()  # each token of a train row is in the vocabulary

    return right


def read(name: str, cell: Any, text: str, tokens: list[str] | None = None, means: str = "") -> Form:
    return Form(name, lambda: cell, right=is_text(text, tokens), means=means)


def refused(name: str, cell: Any, status: str, reason: str) -> Form:
    return Form(name, lambda: cell, status=status, reason=reason)


def few_marks(values: Mapping[str, np.ndarray]) -> None:
    """Nothing but the joiner was added, and no run of marks is longer than 30."""
    runs = bytes(values["text"]).decode().split("\u034f")
    assert max(map(len, runs)) <= 31
    assert all(run == unicodedata.normalize("NFKC", run) for run in runs)
    assert sorted("".join(unicodedata.normalize("NFD", run) for run in runs)) == sorted(MARKS)


FORMS = [
    read("plain words", "A cat, a dog.", "A cat, a dog.", ["A", "cat", ",", "a", "dog", "."]),
    read("byte order mark at the start", "\ufeffHello", "Hello", ["Hello"], "removed"),
    read("CRLF, LF and tab inside", "one\r\ntwo\n\tthree", "one\r\ntwo\n\tthree", ["one", "two", "three"], "kept"),
    refused("empty", "", "missing", "empty cell"),
    refused("null", None, "missing", "empty cell"),
    refused("NaN", float("nan"), "missing", "empty cell"),
    refused("only white space, also wide and no-break", " \t\r\n\u3000\u00a0", "missing", "empty cell"),
    refused("only a byte order mark", "\ufeff", "missing", "empty cell"),
    read(
        "emoji: joined, with a skin tone, a flag",
        "👩\u200d👩\u200d👧 👍🏽 🇫🇷",
        "👩\u200d👩\u200d👧 👍🏽 🇫🇷",
        means="code points unchanged",
    ),
    read(
        "Arabic, right to left, with marks",
        "مَرْحَبًا بكم",
        "مَرْحَبًا بكم",
        ["مَرْحَبًا", "بكم"],
        "in reading order",
    ),
    read(
        "Hebrew, marks in another order",
        "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",  # shin dot before qamats
        "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",  # combining classes 18, 24
        means="marks in canonical order",
    ),
    read("letter and combining accent", "cafe\u0301", "caf\u00e9", ["caf\u00e9"], "one character (NFKC)"),
    read("ligature, fraction, wide letters", "ﬁne ½ ＡＢ", "fine 1\u20442 AB", means="plain characters (NFKC)"),
    read("Hangul as separate letters", "\u1112\u1161\u11ab", "\ud55c", ["\ud55c"], "one syllable (NFKC)"),
    read("Chinese, without spaces", "物流很快", "物流很快"),
    read("a million characters", MILLION, MILLION, ["word"] * 256, "kept; the first 256 tokens have ids"),
    read("one word of a million characters", "x" * 10**6, "x" * 10**6, ["x" * 1000] * 256, "cut to 1000 characters"),
    read("50,000 emoji in a row", "😀" * 50_000, "😀" * 50_000, ["😀"] * 256, "the first 256 are tokens"),
    Form(
        "100,000 combining marks on a letter", lambda: MARKS, right=few_marks,
        means="a joiner after every 30 (Unicode's stream-safe form)",
    ),
    read("zero byte inside", "a\0b", "a\0b", means="kept"),
    read("control characters", "a\x01\x1b[31mb\x7f", "a\x01\x1b[31mb\x7f", means="kept"),
    refused("a lone surrogate", "a\ud83d", "corrupt", NO_TEXT),
    read("a surrogate pair, as JSON writes an emoji", "\U0001f600", "\U0001f600", ["\U0001f600"], "the emoji"),
    read("a number", 12.5, "12.5", ["12.5"], "its digits"),
    read("true", True, "True", ["True"], "the word True"),
    refused("a list", ["a", "b"], "corrupt", "column 'input': holds a list, expected one value"),
    refused("an object", {"input": {"a": 1}}, "corrupt", "column 'input': holds an object, expected one value"),
]  # fmt: skip
