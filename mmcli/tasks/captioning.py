"""Free text for each row: captions or short answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmcli.errors import MmcliError, UsageError
from mmcli.store.state import State
from mmcli.tasks._caption_loss import token_loss, token_sums
from mmcli.tasks._caption_metrics import caption_metrics, caption_scores, draws_of_captions
from mmcli.tasks._caption_tokens import (
    BEGIN,
    END,
    PAD,
    SPECIAL,
    UNKNOWN,
    commonest,
    is_word,
    put_together,
    texts_of,
    to_ids,
    vocabulary,
    words_of,
)

Floats = NDArray[np.float64]
_NO_TOKEN = -1
_SCORE_DIGITS = 4
_MOST_TEXTS = 100
"""Maximum texts per row: targets of all rows are padded to the row with the most."""


class Captioning:
    """Lower-case words and punctuation of the train rows; a row may have several correct texts.

    Several texts are a list in JSON Lines, or separated in a cell if ``separator`` is given; all of them are trained
    on. A prediction is a row of numbers: the mean log probability of its tokens, then the tokens, padded with -1.

    Args:
        min_count: Minimum number of occurrences of a word in the train texts; rarer words become unknown and are
            never generated.
        max_length: Maximum number of tokens of a text; longer train texts are cut.
        beam: Beam width; 1 is greedy search.
        length_penalty: Texts are compared by log probability divided by length to this power; larger values give
            longer texts.
        separator: Separator of the texts in a cell: characters, or ``comma``, ``semicolon``, ``space``, ``tab`` or
            ``bar``; None if a cell is one text.
        label_smoothing: The share of every target that is spread over all tokens, from 0 to below 1.
        width: Width of the decoder, a multiple of ``heads``.
        layers: Layers of the decoder.
        heads: Attention heads of the decoder.

    Raises:
        UsageError: A value is out of range.
    """

    version = 1
    target = "column"
    link = "tokens"
    monitor = "loss"
    headline = ("cider", "bleu_4", "rouge_l")
    smaller_is_better = ()

    def __init__(
        self, *, min_count: int = 2, max_length: int = 30, beam: int = 5, length_penalty: float = 1.0,
        separator: str | None = None, label_smoothing: float = 0.1, width: int = 128, layers: int = 2, heads: int = 4,
    ) -> None:  # fmt: skip
        for name, value, fits in (
            ("min_count of 1 or more", min_count, min_count >= 1),
            ("max_length from 1 to 1000", max_length, 1 <= max_length <= 1000),
            ("beam from 1 to 100", beam, 1 <= beam <= 100),
            ("length_penalty of 0 or more", length_penalty, 0 <= length_penalty < math.inf),
            ("label_smoothing from 0 to below 1", label_smoothing, 0 <= label_smoothing < 1),
            ("layers from 1 to 64", layers, 1 <= layers <= 64),
            ("heads of 1 or more", heads, heads >= 1),
            ("width of 4096 at most, a multiple of 2 and of heads", width,
             heads >= 1 and 2 <= width <= 4096 and width % 2 == width % heads == 0),
        ):  # fmt: skip
            if not fits:
                raise UsageError(f"task captioning: expected a {name}, not {value!r}")
        self.min_count, self.separator, self.label_smoothing = min_count, separator, label_smoothing
        self.max_length, self.beam, self.length_penalty = max_length, beam, length_penalty
        self.width, self.layers, self.heads = width, layers, heads
        self._take([*SPECIAL], [])

    def fault(self, target: Any) -> str | None:
        """Return what was expected if a target is neither a text nor a list of texts."""
        texts = texts_of(target, self.separator)
        if not texts:
            return "a text, or a list of texts, that is not empty"
        if len(texts) > _MOST_TEXTS:
            return f"at most {_MOST_TEXTS} texts, not {len(texts)}"
        halves = any("\ud800" <= letter <= "\udfff" for text in texts for letter in text)
        return "a text without half a surrogate pair" if halves else None

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the words and the most frequent text.

        Raises:
            MmcliError: A target is not a text, or no word occurs ``min_count`` times.
        """
        captions = [caption for row in self._tokens(targets) for caption in row]
        known = vocabulary(captions, self.min_count)
        if len(known) == len(SPECIAL):
            raise MmcliError(
                f"captioning: no word occurs {self.min_count} times in the train rows; lower min_count, as in "
                "--task captioning:min_count=1"
            )
        caption, times = commonest(captions, known, self.max_length)
        index = {token: number for number, token in enumerate(known)}
        score = math.log(times / len(captions)) / (len(caption) + 1)
        self._take(known, [score, *(index[token] for token in caption)])

    def _take(self, known: list[str], prior: list[float]) -> None:
        self.words = known
        self._index = {token: number for number, token in enumerate(known)}
        self._prior = np.full(1 + self.max_length, float(_NO_TOKEN))
        self._prior[: len(prior)] = prior

    @property
    def out_dim(self) -> int:
        """The number of tokens V."""
        return len(self.words)

    @property
    def decoder(self) -> dict[str, Any]:
        """The decoder's options, except the number of tokens."""
        return {
            "width": self.width, "layers": self.layers, "heads": self.heads, "max_length": self.max_length,
            "beam": self.beam, "length_penalty": self.length_penalty, "pad": PAD, "begin": BEGIN, "end": END,
            "unsaid": (PAD, BEGIN, UNKNOWN),
        }  # fmt: skip

    def known(self, target: Any) -> bool:
        """Return whether a target is one or several texts; unseen words become unknown."""
        return self.fault(target) is None

    def encode(self, targets: Sequence[Any]) -> NDArray[np.int64]:
        """Return the tokens of each target's texts, each with an end token, (N, R, T), padded with 0.

        Raises:
            MmcliError: A target is not a text.
        """
        return to_ids(self._tokens(targets), self._index, self.max_length)

    def decode(self, encoded: NDArray[np.int64]) -> list[Any]:
        """Return the text of each row, or its list of texts if there are several."""
        rows = [[put_together(caption) for caption in row] for row in self._encoded_tokens(encoded)]
        return [texts[0] if len(texts) == 1 else texts for texts in rows]

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the texts of each target, (N,) lists, so that metrics also see unknown words."""
        found = np.empty(len(targets), object)
        found[:] = [self._require(target) for target in targets]
        return found

    def merged(
        self, predictions: Floats, targets: Sequence[Any], groups: Sequence[Any]
    ) -> tuple[NDArray[np.int64], list[list[str]]]:
        """Merge rows with the same answer in one group: rows of one input with one text each.

        Args:
            predictions: Predictions of N rows.
            targets: Targets of N rows.
            groups: The group of each row; None if it has none.

        Returns:
            The first row of each merged set, and the texts of all its rows.
        """
        rounded = np.concatenate([predictions[:, :1].round(_SCORE_DIGITS), predictions[:, 1:]], axis=1)
        found: dict[Any, tuple[int, list[str]]] = {}
        for row, (group, target) in enumerate(zip(groups, targets, strict=True)):
            key = row if group is None else (str(group), rounded[row].tobytes())
            found.setdefault(key, (row, []))[1].extend(self._require(target))
        kept = [row for row, _ in found.values()]
        return np.array(kept, np.int64), [texts for _, texts in found.values()]

    def class_weights(self, encoded: NDArray[Any], mode: Literal["none", "balanced", "effective"]) -> Tensor | None:
        """Return None.

        Raises:
            UsageError: Weights are requested.
        """
        if mode != "none":
            raise UsageError(f"--class-weights {mode}: captioning has no classes")
        return None

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean smoothed cross-entropy over tokens; see ``token_loss``."""
        return token_loss(outputs, encoded, self.label_smoothing)

    def taught_sums(self, outputs: Tensor, encoded: Tensor) -> Tensor:
        """Return the sums of a batch for ``taught_values``, (3,), to be added up over batches."""
        return token_sums(outputs, encoded)

    def taught_values(self, sums: Tensor) -> dict[str, float]:
        """Return the validation values of such sums, by teacher forcing."""
        missed, right, count = sums.tolist()
        return {"loss": missed / count, "token_accuracy": right / count}

    def predictions(self, outputs: Tensor) -> Floats:
        """Return the scores and tokens (N, 1 + max_length) that the network generated."""
        found: Floats = outputs.detach().cpu().double().numpy()
        return found

    def prior(self) -> Floats:
        """Return the most frequent text of the train rows."""
        return self._prior

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return the text of each row and the mean log probability of its tokens; None without features."""
        texts = [put_together(tokens) for tokens in self._found(predictions)]
        return [
            {"caption": text, "score": float(row[0])} if there else {"caption": None, "score": None}
            for text, row, there in zip(texts, predictions, known, strict=True)
        ]

    def example(self, record: Mapping[str, Any], target: Any) -> tuple[str | None, list[str]]:
        """Return the text of a record and the correct ones, for people to read."""
        return record["caption"], self._require(target)

    def metrics(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, float]:
        """Return ``bleu_1`` to ``bleu_4``, ``rouge_l``, ``exact`` from 0 to 1, ``cider`` from 0 to 10, ``length``.

        Args:
            predictions: Predictions of N rows.
            encoded: The result of ``references``; or of ``encode``, with which unknown words are never correct.

        Raises:
            MmcliError: There are no rows.
        """
        if not len(encoded):
            raise MmcliError("there are no rows to measure")
        return caption_metrics(*self._compared(predictions, encoded))

    def row_scores(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Floats]:
        """Return the numbers whose means are ``rouge_l``, ``cider``, ``exact`` and ``length``, (N,) each."""
        return caption_scores(*self._compared(predictions, encoded))

    def metrics_of_draws(
        self, predictions: Floats, encoded: NDArray[Any], counts: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Return all metrics of each draw, (D,); ``cider`` uses the word frequencies of all rows."""
        return draws_of_captions(*self._compared(predictions, encoded), counts)

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``commonest``: the most frequent text of the train rows for every row."""
        return {"commonest": self.metrics(np.tile(self._prior, (len(encoded), 1)), encoded)}

    def state(self) -> State:
        """Return the options and the fitted state."""
        names = (
            "min_count", "max_length", "beam", "length_penalty", "separator", "label_smoothing", "width", "layers",
            "heads", "words",
        )  # fmt: skip
        return State({**{name: getattr(self, name) for name in names}, "prior": self._prior.tolist()})

    def load_state(self, state: State) -> None:
        """Restore the options and the fitted state."""
        values = state.values
        words = values["words"]
        if len(words) < len(SPECIAL) or not all(isinstance(word, str) for word in words):
            raise ValueError("the words of a captioning task are texts")
        Captioning.__init__(self, **{name: value for name, value in values.items() if name not in ("words", "prior")})
        self._take(words, values["prior"])

    def _require(self, target: Any) -> list[str]:
        fault = self.fault(target)
        if fault is not None:
            raise MmcliError(f"target {target!r}: expected {fault}")
        return texts_of(target, self.separator)

    def _tokens(self, targets: Sequence[Any]) -> list[list[list[str]]]:
        return [[words_of(text) for text in self._require(target)] for target in targets]

    def _encoded_tokens(self, encoded: NDArray[Any]) -> list[list[list[str]]]:
        said = [
            [[number for number in caption if number not in (PAD, END)] for caption in row] for row in encoded.tolist()
        ]
        return [[[self.words[number] for number in caption] for caption in row if caption] for row in said]

    def _found(self, predictions: Floats) -> list[list[str]]:
        ids = predictions[:, 1:].astype(np.int64).tolist()
        return [[self.words[number] for number in row if number != _NO_TOKEN] for row in ids]

    def _compared(self, predictions: Floats, encoded: NDArray[Any]) -> tuple[list[list[str]], list[list[list[str]]]]:
        """Return the words of the predictions and of the references, without punctuation."""
        told = encoded.tolist() if encoded.dtype == object else None
        wanted = self._encoded_tokens(encoded) if told is None else [[words_of(text) for text in row] for row in told]
        found = [list(filter(is_word, tokens)) for tokens in self._found(predictions)]
        return found, [[list(filter(is_word, tokens)) for tokens in row] for row in wanted]
