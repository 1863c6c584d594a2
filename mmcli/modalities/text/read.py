"""Turns text cells into cleaned text, tokens, and ids in a vocabulary of the train rows."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.text._pipeline import Pipeline, load_pipeline
from mmcli.store.cells import cell_text
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

UNKNOWN_ID = 1
"""Id of a token that is not in the vocabulary; 0 is reserved for padding."""
DEFAULT_MAX_TOKENS = 256
_RESERVED = 2
_MOST_NEW_STRINGS = 500_000
_LONG = 2000


class Preprocessor:
    """Text, NFKC-normalised, and its tokens; the options affect only the tokens, never the text.

    Args:
        columns: The one column that holds the text.
        max_tokens: Maximum number of tokens kept per text, at least 1.
        language: The language whose blank spaCy pipeline splits the text, such as ``en``.
        spacy_model: A spaCy pipeline, installed or a folder, to use instead.
        lower: Lower-case the tokens.
        remove_stop_words: Remove the language's stop words.
        lemmatize: Replace each token by its lemma; the pipeline must give lemmas.
        pos: Append the part of speech, ``word_NOUN``; the pipeline must give it.
        min_count: Minimum number of occurrences in the train rows for a token to get its own id; above 1, rarer
            tokens are stored as empty.

    Raises:
        MmcliError: A value is out of range, or a blank pipeline is to give lemmas or parts of speech.
    """

    version: ClassVar[int] = 3
    fitted: ClassVar[bool] = True
    threaded: ClassVar[bool] = False  # a spaCy pipeline belongs to one thread

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        language: str = "en",
        spacy_model: str | None = None,
        lower: bool = False,
        remove_stop_words: bool = False,
        lemmatize: bool = False,
        pos: bool = False,
        min_count: int = 1,
    ) -> None:
        if len(columns) != 1:
            raise MmcliError(f"a text modality has one column, found {len(columns)}: {', '.join(columns)}")
        for option, value in (("--max-tokens", max_tokens), ("--min-count", min_count)):
            if value < 1:
                raise MmcliError(f"{option} must be at least 1, not {value}")
        for option, asked in (("--lemmatize", lemmatize), ("--pos", pos)):
            if asked and spacy_model is None:
                raise MmcliError(f"{option} needs a trained spaCy pipeline: name one with --spacy-model")
        self.columns = tuple(columns)
        self.max_tokens = max_tokens
        self.language = language
        self.spacy_model = spacy_model
        self.lower = lower
        self.remove_stop_words = remove_stop_words
        self.lemmatize = lemmatize
        self.pos = pos
        self.min_count = min_count
        self._pipeline: Pipeline | None = None
        self._made_with: dict[str, str] = {}
        self._ids: dict[str, int] = {}

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the UTF-8 bytes of the cell; None if it is empty or white space.

        Raises:
            UnusableError: The cell is not Unicode text.
        """
        text = cell_text(row.get(self.columns[0]), self.columns[0])
        return None if text is None else text.encode()

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the token ids (T,), the normalised text, and the tokens, one per line, as UTF-8 bytes.

        Raises:
            UnusableError: The text is longer than the trained pipeline takes.
            MmcliError: The spaCy pipeline cannot be loaded, or is not the one the vocabulary was made with.
        """
        text = _clean(content)
        tokens = self._tokens(text)
        kept = tokens if self.min_count == 1 else [token if token in self._ids else "" for token in tokens]
        return {
            "": np.array([self._ids.get(token, UNKNOWN_ID) for token in tokens], np.int32),
            "text": np.frombuffer(text.encode(), np.uint8),
            "tokens": np.frombuffer("\n".join(kept).encode(), np.uint8),
        }

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn the vocabulary: tokens of the train rows, the most frequent first.

        Raises:
            MmcliError: The spaCy pipeline cannot be loaded.
        """
        self._pipeline, self._made_with = None, {}
        counts: Counter[str] = Counter()
        for content in contents:
            try:
                counts.update(self._tokens(_clean(content)))
            except UnusableError:
                continue  # decode reports it
        if self.spacy_model is not None:
            self._made_with = dict(self._load().identity)
        frequent = sorted((-count, token) for token, count in counts.items() if count >= self.min_count)
        self._number([token for _, token in frequent])

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of ids, text and tokens."""
        return {
            "": FieldSpec("ragged", "int32", (), "T", bound=self.max_tokens),
            "text": FieldSpec("ragged", "uint8", (), "T"),
            "tokens": FieldSpec("ragged", "uint8", (), "T"),
        }

    def facts(self) -> dict[str, Any]:
        """Return the vocabulary size, including ids 0 (padding) and 1 (unknown), the language, and ``words_asked``.

        ``words_asked`` holds the token options that were given, as typed.
        """
        language = self._made_with.get("lang", self.language)
        asked = self._words_asked()
        return {
            "vocabulary": len(self._ids) + _RESERVED,
            "language": language,
            **({"words_asked": asked} if asked else {}),
        }

    def _words_asked(self) -> list[str]:
        flags = {
            "--lower": self.lower,
            "--remove-stop-words": self.remove_stop_words,
            "--lemmatize": self.lemmatize,
            "--pos": self.pos,
            f"--min-count {self.min_count}": self.min_count > 1,
            f"--max-tokens {self.max_tokens}": self.max_tokens != DEFAULT_MAX_TOKENS,
        }
        return [flag for flag, asked in flags.items() if asked]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "columns": list(self.columns),
            "max_tokens": self.max_tokens,
            "language": self.language,
            "spacy_model": self.spacy_model,
            "lower": self.lower,
            "remove_stop_words": self.remove_stop_words,
            "lemmatize": self.lemmatize,
            "pos": self.pos,
            "min_count": self.min_count,
        }

    def state(self) -> State:
        """Return the vocabulary in the order of ids, from 2, and the named pipeline it was made with, if any."""
        pipeline = {"pipeline": self._made_with} if self._made_with else {}
        return State({"vocabulary": list(self._ids), **pipeline})

    def load_state(self, state: State) -> None:
        """Restore a vocabulary."""
        self._pipeline, self._made_with = None, dict(state.values.get("pipeline", {}))
        self._number(state.values["vocabulary"])

    def _number(self, vocabulary: list[str]) -> None:
        self._ids = {token: number for number, token in enumerate(vocabulary, _RESERVED)}

    def _tokens(self, text: str) -> list[str]:
        tokens: list[str] = []
        for token in self._load()(text):
            if token.is_space or (self.remove_stop_words and token.is_stop):
                continue
            word = (token.lemma_ or token.text).replace("\n", " ") if self.lemmatize else token.text
            word = word.lower() if self.lower else word
            tokens.append(f"{word}_{token.pos_ or 'X'}" if self.pos else word)
            if len(tokens) == self.max_tokens:
                break
        return tokens

    def words(self, text: str) -> list[tuple[int, int, bool]]:
        """Return where each token of a normalised text starts and ends, in characters, and whether it is kept."""
        found: list[tuple[int, int, bool]] = []
        place = kept = 0
        for token in self._load()(text):
            start = text.find(token.text, place)
            if token.is_space or start < 0:
                continue
            place = start + len(token.text)
            keeps = kept < self.max_tokens and not (self.remove_stop_words and token.is_stop)
            kept += keeps
            found.append((start, place, keeps))
        return found

    def _load(self) -> Pipeline:
        """Return the pipeline; reload it once it has stored so many strings that memory would grow without end."""
        if self._pipeline is None or self._pipeline.new_strings() > _MOST_NEW_STRINGS:
            self._pipeline = load_pipeline(self.language, self.spacy_model, self.lemmatize, self.pos)
            if self._made_with and self._made_with != self._pipeline.identity:
                raise MmcliError(
                    f"spaCy model {self.spacy_model!r} is {_written(self._pipeline.identity)}, but the vocabulary was "
                    f"made with {_written(self._made_with)}: install that one, or preprocess with --fresh"
                )
        return self._pipeline


def _clean(content: bytes) -> str:
    """Return the text in NFKC.

    Source: Unicode Standard Annex 15, section 13: in a long text a joiner is inserted after every 30 combining
    marks, because the time to sort them is quadratic in their number.
    """
    text = content.decode()
    if len(text) > _LONG and not text.isascii():
        text = _run_of_marks().sub("\\g<0>\u034f", text)
    return unicodedata.normalize("NFKC", text)


@cache
def _run_of_marks() -> re.Pattern[str]:
    marks = "".join(mark for mark in map(chr, range(sys.maxunicode + 1)) if unicodedata.combining(mark))
    return re.compile(f"[{marks}]{{30}}(?=[{marks}])")


def _written(identity: Mapping[str, str]) -> str:
    return f"{identity['lang']}_{identity['name']} {identity['version']}"
