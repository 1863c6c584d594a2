"""GloVe, word2vec, fastText or spaCy word vectors, averaged or as a sequence; path=FILE or spacy_model=NAME."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import MmcliError
from mmcli.modalities.text._documents import check_not_empty, token_lists
from mmcli.modalities.text._pipeline import load_model
from mmcli.modalities.vector_file import open_vectors
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, Tensor, assemble
from mmcli.store.state import State

_NOT_VECTORS = [
    "tok2vec", "transformer", "tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer", "ner",
]  # fmt: skip


class _Vectors(Protocol):
    dim: int

    def vector(self, word: str) -> NDArray[np.float32] | None: ...

    def digest(self) -> str: ...


class WordVectors:
    """The vectors of a text's tokens: their mean, dense (D,), or one per token, ragged (T, D).

    A token without a vector is left out of the mean and is a step of zeros in a sequence. A text none of whose
    tokens has a vector gives a mean of zeros; a text without tokens gives a sequence of one step of zeros.

    Args:
        path: A text file of vectors, one word per line, with or without a first line ``count dim``; may be gzipped.
        spacy_model: A spaCy pipeline, installed or a folder, whose vectors to use instead.
        mode: ``mean`` or ``sequence``.
        lowercase: Look a token up in lower case if it is not found as written.

    Source: Mikolov et al., "Efficient estimation of word representations in vector space", 2013; Pennington et al.,
    "GloVe: Global vectors for word representation", 2014; Bojanowski et al., "Enriching word vectors with subword
    information", 2017.

    Raises:
        MmcliError: ``mode`` is neither.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(
        self,
        *,
        path: str | None = None,
        spacy_model: str | None = None,
        mode: Literal["mean", "sequence"] = "mean",
        lowercase: bool = True,
    ) -> None:
        if mode not in ("mean", "sequence"):
            raise MmcliError(f"word_vectors: mode must be mean or sequence, not {mode!r}")
        self.path = path
        self.spacy_model = spacy_model
        self.mode = mode
        self.lowercase = lowercase
        self._digest: str | None = None

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Do nothing: there is nothing to learn."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features: dense (D,), or ragged (T, D).

        Raises:
            MmcliError: There are no vectors where the options say.
        """
        if self.mode == "mean":
            return FieldSpec("dense", "float32", (self._vectors().dim,), "D")
        return FieldSpec("ragged", "float32", (self._vectors().dim,), "TD", bound=spec.main.bound)

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the mean vector of each text (B, D), or its vectors.

        Raises:
            MmcliError: A text is empty, or a line of the file is malformed.
        """
        check_not_empty("word_vectors", column)
        vectors = self._vectors()
        features = self._mean if self.mode == "mean" else self._sequence
        return assemble(self.output(spec), [features(tokens, vectors) for tokens in token_lists(column)])

    def assets(self) -> dict[str, str]:
        """Return the hash of the file, or of the pipeline's name, version and vectors.

        Raises:
            MmcliError: There are no vectors where the options say.
        """
        if self._digest is None:
            self._digest = self._vectors().digest()
        return {"spacy_model" if self.path is None else "path": self._digest}

    def state(self) -> State:
        """Return nothing: it learns nothing."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""

    def _vectors(self) -> _Vectors:
        if self.path is not None and self.spacy_model is not None:
            raise MmcliError("word_vectors: give path or spacy_model, not both")
        if self.path is not None:
            return open_vectors(self.path)
        if self.spacy_model is not None:
            return _pipeline_vectors(self.spacy_model)
        raise MmcliError(
            "word_vectors needs vectors: word_vectors:path=FILE (GloVe, word2vec or fastText) or :spacy_model=NAME"
        )

    def _find(self, vectors: _Vectors) -> Callable[[str], NDArray[np.float32] | None]:
        def find(token: str) -> NDArray[np.float32] | None:
            found = vectors.vector(token)
            return vectors.vector(token.lower()) if found is None and self.lowercase else found

        return find

    def _mean(self, tokens: list[str], vectors: _Vectors) -> NDArray[np.float32]:
        known = [found for found in map(self._find(vectors), tokens) if found is not None]
        if not known:
            return np.zeros(vectors.dim, np.float32)
        return np.asarray(np.stack(known).mean(0, np.float64), np.float32)

    def _sequence(self, tokens: list[str], vectors: _Vectors) -> NDArray[np.float32]:
        steps = np.zeros((max(1, len(tokens)), vectors.dim), np.float32)
        for step, found in enumerate(map(self._find(vectors), tokens)):
            if found is not None:
                steps[step] = found
        return steps


class _PipelineVectors:
    """The vectors of a spaCy pipeline."""

    def __init__(self, name: str, language: Any) -> None:
        self._meta = [language.meta.get(key, "") for key in ("lang", "name", "version")]
        self._vocabulary = language.vocab
        self.dim = int(language.vocab.vectors_length)
        if not self.dim:
            raise MmcliError(f"word_vectors: spaCy model {name!r} has no word vectors; the md and lg models do")

    def vector(self, word: str) -> NDArray[np.float32] | None:
        if not word or not self._vocabulary.has_vector(word):
            return None
        return np.asarray(self._vocabulary.get_vector(word), np.float32)

    def digest(self) -> str:
        total = hashlib.sha256(" ".join(self._meta).encode())
        total.update(np.ascontiguousarray(self._vocabulary.vectors.data).data)
        for key, row in sorted(self._vocabulary.vectors.key2row.items()):
            total.update(f"{key} {row}\n".encode())
        return total.hexdigest()


@lru_cache(2)
def _pipeline_vectors(name: str) -> _PipelineVectors:
    return _PipelineVectors(name, load_model(name, exclude=_NOT_VECTORS))
