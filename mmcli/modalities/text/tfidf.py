"""TF-IDF of character or word n-grams, scaled to unit length, optionally reduced by SVD."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, groupby, pairwise
from typing import ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import MmcliError
from mmcli.modalities.text._documents import check_not_empty, token_lists
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, Dense, FieldSpec, ModalitySpec
from mmcli.store.state import State

_ANALYZERS = ("word", "char", "char_wb")
_MOST_WORDS_KEPT, _LONGEST_WORD_KEPT = 65536, 40
_SVD_SEED = 0
_TEXTS_AT_ONCE = 8192
_WHITE_SPACES = re.compile(r"\s\s+")
Found = TypeVar("Found")


class Tfidf:
    """TF-IDF weight of each n-gram in a text: dense (D,).

    The weight of n-gram t is ``tf * (ln((1 + n) / (1 + df)) + 1)`` with n train texts, df of which have t; each row
    then has Euclidean length 1. A text without any known n-gram is a row of zeros. ``fit`` keeps one count for each
    n-gram of the train texts in memory; with ``svd`` also these texts and their sparse matrix.

    Args:
        analyzer: n-grams of ``word``: the stored tokens, as the options of preprocess made them; ``char``: the
            characters of the text; ``char_wb``: those inside words, each word with a space on either side.
        ngrams: The shortest and longest n-grams; None is ``(2, 5)`` for characters and ``(1, 2)`` for words.
        max_features: Number of n-grams to keep: those in the most train texts, ties in n-gram order; None keeps all.
        min_df: Minimum number of train texts that must contain an n-gram.
        sublinear: Use ``1 + ln(tf)`` instead of tf.
        lowercase: Lower-case texts and tokens first.
        svd: Reduce to this many dimensions by a truncated SVD of the train rows; None keeps the n-grams.

    Source: Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988, section 3; for ``svd``
    Deerwester et al., "Indexing by latent semantic analysis", 1990.

    Raises:
        MmcliError: A value is out of range.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = True
    scaling: ClassVar[Literal["column", "whole"]] = "whole"

    def __init__(
        self,
        *,
        analyzer: Literal["word", "char", "char_wb"] = "char_wb",
        ngrams: tuple[int, int] | None = None,
        max_features: int | None = 20000,
        min_df: int = 1,
        sublinear: bool = True,
        lowercase: bool = True,
        svd: int | None = None,
    ) -> None:
        if analyzer not in _ANALYZERS:
            raise MmcliError(f"tfidf: analyzer must be one of {', '.join(_ANALYZERS)}, not {analyzer!r}")
        if ngrams is not None and not 1 <= ngrams[0] <= ngrams[1]:
            raise MmcliError(f"tfidf: ngrams must be a range from 1 up, not {ngrams[0]}-{ngrams[1]}")
        for option, value in (("max_features", max_features), ("min_df", min_df), ("svd", svd)):
            if value is not None and value < 1:
                raise MmcliError(f"tfidf: {option} must be at least 1, not {value}")
        self.analyzer = analyzer
        self.ngrams = ngrams
        self.max_features = max_features
        self.min_df = min_df
        self.sublinear = sublinear
        self.lowercase = lowercase
        self.svd = svd
        self._low, self._high = ngrams or ((1, 2) if analyzer == "word" else (2, 5))
        self._load([], np.zeros(0), None)

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn which n-grams count and how much, from a stream of train texts.

        Raises:
            MmcliError: No n-gram is left, or there are too few train rows for ``svd``.
        """
        frequencies: Counter[str] = Counter()
        kept: list[list[str]] = []
        count = 0
        terms = _remember_words(self._terms)
        for column in columns:
            for units in self._documents(column):
                frequencies.update(set(chain.from_iterable(map(terms, units))))
                count += 1
                if self.svd is not None:
                    kept.append(units)
        frequent = [(-number, term) for term, number in frequencies.items() if number >= self.min_df]
        if not frequent:
            raise MmcliError(
                f"tfidf: none of the {len(frequencies)} n-grams of {count} train texts is in {self.min_df} of them "
                f"(analyzer={self.analyzer}, ngrams={self._low}-{self._high}, min_df={self.min_df})"
            )
        vocabulary = sorted(term for _, term in sorted(frequent)[: self.max_features])
        found = np.array([frequencies[term] for term in vocabulary], np.float64)
        self._load(vocabulary, np.log((1 + count) / (1 + found)) + 1, None)
        if self.svd is not None:
            self._load(vocabulary, self._idf, self._fit_svd(kept, self.svd))

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features: dense (D,)."""
        width = len(self._vocabulary) if self._components is None else self._components.shape[1]
        return FieldSpec("dense", "float32", (width,), "D")

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Dense:
        """Return the weights of each text, (B, D).

        Raises:
            MmcliError: A text is empty.
        """
        check_not_empty("tfidf", column)
        rows, terms, weights = self._weigh(list(self._documents(column)))
        if self._components is None:
            features = np.zeros((len(column), len(self._vocabulary)), np.float32)
            features[rows, terms] = weights
            return Dense(features)
        features = np.zeros((len(column), self._components.shape[1]), np.float32)
        bounds = np.searchsorted(rows, np.arange(len(column) + 1))
        for row, (start, stop) in enumerate(pairwise(bounds)):
            # Not a matrix product: its result for a row depends, in the last bits, on the other rows.
            features[row] = (self._components[terms[start:stop]] * weights[start:stop, None]).sum(0)
        return Dense(features)

    def passes_over(self, asked: Sequence[str]) -> list[str]:
        """Return the token options that do not affect its features."""
        if self.analyzer == "word":
            return []
        return [option for option in asked if not (self.lowercase and option == "--lower")]

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return the n-grams by column, their idf (D,) and, with ``svd``, the components (n-grams, D)."""
        components = {} if self._components is None else {"components": self._components}
        return State({"vocabulary": self._vocabulary}, {"idf": self._idf, **components})

    def load_state(self, state: State) -> None:
        """Restore what an earlier ``fit`` learnt."""
        self._load(list(state.values["vocabulary"]), state.tensors["idf"], state.tensors.get("components"))

    def _load(self, vocabulary: list[str], idf: Array, components: NDArray[np.float32] | None) -> None:
        self._vocabulary = vocabulary
        self._idf = idf
        self._components = components
        columns = {term: number for number, term in enumerate(vocabulary)}

        def known_terms(unit: str) -> list[int]:
            return [column for term in self._terms(unit) if (column := columns.get(term)) is not None]

        self._known = _remember_words(known_terms)

    def _documents(self, column: Column) -> Iterator[list[str]]:
        """Yield the units of each text: n-grams do not span units."""
        if self.analyzer == "word":
            for tokens in token_lists(column):
                units = _without_empty(tokens, apart=self._high == 1)
                yield [unit.lower() for unit in units] if self.lowercase else units
            return
        for text in column.texts("text"):
            text = text.lower() if self.lowercase else text
            yield text.split() if self.analyzer == "char_wb" else [_WHITE_SPACES.sub(" ", text)]

    def _terms(self, unit: str) -> list[str]:
        """Return the n-grams of a unit, as scikit-learn's CountVectorizer cuts them."""
        low, high = self._low, self._high
        if self.analyzer == "word":
            tokens = unit.split("\n")
            return [
                " ".join(tokens[start : start + length])
                for length in range(low, min(high, len(tokens)) + 1)
                for start in range(len(tokens) - length + 1)
            ]
        text = f" {unit} " if self.analyzer == "char_wb" else unit
        lengths = range(low, min(high, len(text)) + 1)
        grams = [text[start : start + length] for length in lengths for start in range(len(text) - length + 1)]
        # A word shorter than the shortest n-gram counts as one n-gram.
        return [text] if self.analyzer == "char_wb" and len(text) < low else grams

    def _weigh(self, documents: list[list[str]]) -> tuple[Array, Array, NDArray[np.float64]]:
        """Return the rows, columns and values of the TF-IDF matrix's nonzero entries, by row."""
        found = [list(chain.from_iterable(map(self._known, units))) for units in documents]
        lengths = [len(terms) for terms in found]
        flat = np.fromiter(chain.from_iterable(found), np.int64, sum(lengths))
        width = max(1, len(self._vocabulary))
        places, counts = np.unique(np.repeat(np.arange(len(found)), lengths) * width + flat, return_counts=True)
        rows, terms = places // width, places % width
        frequency = 1 + np.log(counts) if self.sublinear else counts.astype(np.float64)
        weights = frequency * self._idf[terms]
        norms = np.sqrt(np.bincount(rows, weights**2, minlength=len(found)))
        return rows, terms, weights / norms[rows]

    def _fit_svd(self, documents: list[list[str]], dims: int) -> NDArray[np.float32]:
        from scipy.sparse import csr_matrix, vstack
        from sklearn.decomposition import TruncatedSVD

        most = min(len(documents), len(self._vocabulary))
        if dims > most:
            raise MmcliError(
                f"tfidf: svd={dims}, but {len(documents)} train texts with {len(self._vocabulary)} n-grams "
                f"give at most {most}"
            )
        parts = []
        for start in range(0, len(documents), _TEXTS_AT_ONCE):
            part = documents[start : start + _TEXTS_AT_ONCE]
            rows, terms, weights = self._weigh(part)
            parts.append(csr_matrix((weights, (rows, terms)), shape=(len(part), len(self._vocabulary))))
        svd = TruncatedSVD(dims, random_state=_SVD_SEED).fit(vstack(parts, format="csr"))
        return np.ascontiguousarray(svd.components_.T, np.float32)


def _without_empty(tokens: list[str], apart: bool) -> list[str]:
    """Return the nonempty tokens: each by itself if ``apart``, else runs of neighbours joined line by line."""
    if apart:
        return [token for token in tokens if token]
    if "" not in tokens:
        return ["\n".join(tokens)] if tokens else []
    return ["\n".join(run) for there, run in groupby(tokens, bool) if there]


def _remember_words(function: Callable[[str], Found]) -> Callable[[str], Found]:
    """Cache the results for recent words; not for whole texts, which are long and do not recur."""
    kept = lru_cache(_MOST_WORDS_KEPT)(function)
    return lambda unit: kept(unit) if len(unit) <= _LONGEST_WORD_KEPT else function(unit)
