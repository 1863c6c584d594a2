"""spaCy pipelines that run only the components needed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mmcli.errors import MmcliError, UnusableError

_NEVER_NEEDED = ["parser", "senter", "sentencizer", "ner", "textcat", "textcat_multilabel", "entity_linker"]
_LONGEST_WORD = 1000
"""Longest word, in characters: spaCy's time is quadratic in the length of a run of marks or emoji."""
_LONG_TEXT = 100_000
_WORD = re.compile(rf"\s*\S{{1,{_LONGEST_WORD}}}")


class Pipeline:
    """Splits text into spaCy tokens.

    Args:
        language: A loaded ``spacy.Language``.
        annotate: Run its components; the tokenizer alone is many times faster.
    """

    def __init__(self, language: Any, annotate: bool) -> None:
        self._language = language
        self._annotate = annotate
        self._strings = len(language.vocab.strings)
        self.identity = {key: str(language.meta.get(key, "")) for key in ("lang", "name", "version")}

    def __call__(self, text: str) -> Iterable[Any]:
        """Return each ``spacy.tokens.Token`` of a text; lazily where only the tokenizer runs.

        Words of more than 1000 characters are split.

        Raises:
            UnusableError: Its components would need more memory than spaCy allows.
        """
        if not self._annotate:
            if len(text) <= _LONG_TEXT and not _has_long_word(text):
                return self._language.tokenizer(text)  # type: ignore[no-any-return]
            return (token for word in _WORD.finditer(text) for token in self._language.tokenizer(word[0]))
        if len(text) > self._language.max_length:
            limit = self._language.max_length
            raise UnusableError("skipped", f"{len(text)} characters; --lemmatize and --pos take {limit} at most")
        whole = " ".join(_WORD.findall(text)) if _has_long_word(text) else text
        return self._language(whole)  # type: ignore[no-any-return]

    def new_strings(self) -> int:
        """Return how many strings the pipeline has stored since it was loaded."""
        return len(self._language.vocab.strings) - self._strings


def _has_long_word(text: str) -> bool:
    return len(text) > _LONGEST_WORD and max(map(len, text.split()), default=0) > _LONGEST_WORD


def load_pipeline(language: str, model: str | None, lemmatize: bool, pos: bool) -> Pipeline:
    """Load a named pipeline, or the blank pipeline of a language.

    Raises:
        MmcliError: There is no such pipeline, or it gives no lemmas or parts of speech although they are needed.
    """
    if model is None:
        return Pipeline(_blank(language), annotate=False)
    found = load_model(model, exclude=_NEVER_NEEDED)
    annotate = lemmatize or pos
    if annotate:
        probe = found("This is a sentence with words.")
        for asked, annotation, option in ((lemmatize, "LEMMA", "--lemmatize"), (pos, "POS", "--pos")):
            if asked and not probe.has_annotation(annotation):
                parts = ", ".join(found.pipe_names) or "nothing but a tokenizer"
                what = "lemmas" if annotation == "LEMMA" else "parts of speech"
                raise MmcliError(f"{option}: spaCy model {model!r} gives no {what} (it has {parts})")
    return Pipeline(found, annotate)


def load_model(model: str, exclude: list[str]) -> Any:
    """Load an installed spaCy pipeline or one in a folder, without the components in ``exclude``.

    Raises:
        MmcliError: It is not installed, or cannot be loaded.
    """
    import spacy

    try:
        return spacy.load(model, exclude=exclude)
    except OSError as error:
        if "[E050]" in str(error):
            raise MmcliError(
                f"spaCy model {model!r} is neither installed nor a folder: python -m spacy download {model}"
            ) from None
        raise MmcliError(f"spaCy model {model!r} cannot be loaded: {_first_line(error)}") from None
    except (ValueError, ImportError, KeyError) as error:
        raise MmcliError(f"spaCy model {model!r} cannot be loaded: {_first_line(error)}") from None


def _blank(language: str) -> Any:
    import spacy

    try:
        return spacy.blank(language)
    except ImportError as error:
        if "[E048]" in str(error):
            raise MmcliError(
                f"--language {language!r}: spaCy has no such language; use its code, such as en or de"
            ) from None
        raise MmcliError(f"--language {language!r} needs more packages: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
