"""Any number of labels for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from mmcli.errors import MmcliError, UsageError
from mmcli.store.labels import class_name, listed
from mmcli.store.state import State
from mmcli.tasks._class_metrics import reliability
from mmcli.tasks._conformal_scores import label_fits
from mmcli.tasks._label_metrics import best_thresholds, by_label, draws_of_labels, label_metrics, label_scores
from mmcli.tasks._separators import parted

Floats = NDArray[np.float64]
_ZERO_ONE = {"0": False, "false": False, "1": True, "true": True}
_HALF = 0.5
_LEAST = 10
"""Minimum val rows with a label for it to have its own threshold."""


class Multilabel:
    """The labels of the train rows, sorted; a cell separates them by ``|`` or holds a list.

    If most train rows hold lists written as text, ``['a', 'b']``, ``["a", "b"]`` or ``{a,b}``, cells are read as lists.
    With several target columns, each is a label, which a row has if its cell is 1 or true, and not if it is 0 or false.
    A cell with only the separator, or an empty list, is a row without labels. Surrounding white space and Unicode
    normalisation of labels are ignored.

    Args:
        separator: Separator of labels in a cell: characters, or ``comma``, ``semicolon``, ``space`` or ``tab``.
        loss: ``bce`` or ``asymmetric``, the latter for many labels of which a row has few.
        threshold: The probability from which a row has a label, between 0 and 1; None chooses the threshold with the
            best F1 on the val rows, one for each label that ten of them have, and one for all others.
        gamma_neg: With ``asymmetric``, how much less labels count that a row clearly lacks: 0, or at least 1.
        gamma_pos: The same for labels that it clearly has.
        clip: With ``asymmetric``, the probability up to which an absent label does not count, from 0 to below 1.
        empty: Whether an empty cell is a row without labels (``--empty-target none``), not one without a target.

    Source: Ridnik et al. 2021, Asymmetric Loss For Multi-Label Classification, equations 4 to 7, with its gammas of 4
    and 0 and its margin of 0.05.
    """

    version = 1
    link = "sigmoid"
    joins_columns = True
    monitor = "loss"
    headline = ("map", "micro_f1", "macro_f1", "samples_f1", "hamming")
    smaller_is_better = ("hamming", "ece", "brier")
    of_networks = ("loss", "gamma_neg", "gamma_pos", "clip")

    def __init__(
        self, *, separator: str = "|", loss: Literal["bce", "asymmetric"] = "bce", threshold: float | None = None,
        gamma_neg: float = 4.0, gamma_pos: float = 0.0, clip: float = 0.05, empty: bool = False,
    ) -> None:  # fmt: skip
        for name, value, fits in (
            ("threshold between 0 and 1", threshold, threshold is None or 0 < threshold < 1),
            ("gamma_neg of 0, or at least 1", gamma_neg, gamma_neg == 0 or 1 <= gamma_neg < np.inf),
            ("gamma_pos of 0, or at least 1", gamma_pos, gamma_pos == 0 or 1 <= gamma_pos < np.inf),
            ("clip from 0 to below 1", clip, 0 <= clip < 1),
            ("separator of one character or more", repr(separator), separator != ""),
        ):
            if not fits:
                raise UsageError(f"task multilabel: expected a {name}, not {value}")
        self.separator = separator
        self.loss_name = loss
        self.threshold = threshold
        self.gammas = (gamma_neg, gamma_pos)
        self.clip = clip
        self.empty = empty
        self.labels: list[str] = []
        self._lists = False
        self._prior: Floats = np.zeros(0)
        self._thresholds: Floats = np.zeros(0)

    def fault(self, target: Any) -> str | None:
        """Return what was expected if a target is neither text, nor a list of labels, nor columns of 0 and 1."""
        if self._split(target) is not None:
            return None
        return "0 or 1 in each column" if isinstance(target, dict) else "labels: a text, or a list of texts"

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the labels and their frequencies.

        Raises:
            MmcliError: A target is invalid, or no row has a label.
        """
        texts = [target for target in targets if isinstance(target, str) and target.strip()]
        self._lists = sum(listed(text) is not None for text in texts) * 2 > len(texts)
        split = [self._require(target) for target in targets]
        self.labels = sorted({label for labels in split for label in labels})
        if not self.labels:
            raise MmcliError("multilabel needs labels in the train rows, found none")
        self._prior = self.encode(targets).mean(axis=0, dtype=np.float64)
        self._thresholds = np.full(self.out_dim, self.threshold or _HALF)

    @property
    def out_dim(self) -> int:
        """The number of labels K."""
        return len(self.labels)

    def known(self, target: Any) -> bool:
        """Return whether a target is valid; unseen labels are ignored."""
        return self.fault(target) is None

    def unseen(self, targets: Sequence[Any]) -> list[str]:
        """Return the unseen labels of these targets, with repetitions."""
        known = set(map(class_name, self.labels))
        return [label for target in targets for label in self._require(target) if label not in known]

    def encode(self, targets: Sequence[Any]) -> NDArray[np.uint8]:
        """Return (N, K), 1 if a row has a label; unseen labels are ignored.

        Raises:
            MmcliError: A target is invalid.
        """
        index = {class_name(label): place for place, label in enumerate(self.labels)}
        found = np.zeros((len(targets), self.out_dim), np.uint8)
        for row, target in enumerate(targets):
            found[row, [index[label] for label in self._require(target) if label in index]] = 1
        return found

    def decode(self, encoded: NDArray[np.uint8]) -> list[list[str]]:
        """Return the labels of each row, sorted."""
        return [[self.labels[place] for place in np.flatnonzero(row)] for row in encoded]

    def class_weights(
        self, encoded: NDArray[np.uint8], mode: Literal["none", "balanced", "effective"]
    ) -> Tensor | None:
        """Return the weight of each label's positives relative to its negatives, (K,), so that both count equally.

        Raises:
            UsageError: Effective weights are requested.
        """
        if mode == "effective":
            raise UsageError("--class-weights effective: multilabel supports only none or balanced")
        if mode == "none":
            return None
        have = encoded.sum(axis=0, dtype=np.float64)
        return torch.tensor((len(encoded) - have).clip(min=1) / have.clip(min=1), dtype=torch.float32)

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of outputs (B, K) for labels (B, K), over rows and labels."""
        wanted = encoded.to(outputs.dtype)
        if self.loss_name == "bce":
            return binary_cross_entropy_with_logits(outputs, wanted, pos_weight=weight)
        negative, positive = self.gammas
        lacking = (outputs.sigmoid() - self.clip).clamp(min=0)
        have = (-outputs).sigmoid() ** positive * -logsigmoid(outputs)
        # Without a margin the logarithm is computed from the output, which is exact even if 1 - p rounds to 0.
        lack = lacking**negative * (softplus(outputs) if self.clip == 0 else -(-lacking).log1p())
        return (wanted * have * (1.0 if weight is None else weight) + (1 - wanted) * lack).mean()

    def predictions(self, outputs: Tensor) -> Floats:
        """Return the sigmoid of the outputs, (N, K)."""
        found: Floats = outputs.detach().cpu().double().sigmoid().numpy()
        return found

    def prior(self) -> Floats:
        """Return the share of train rows that have each label, (K,)."""
        return self._prior

    def tune(self, predictions: Floats, encoded: NDArray[np.uint8]) -> Multilabel:
        """Return the task with the best thresholds for these rows, unless one was given."""
        tuned = Multilabel()
        tuned.load_state(self.state())
        if self.threshold is None:
            tuned._thresholds = best_thresholds(predictions, encoded.astype(bool), _HALF, _LEAST)
        return tuned

    def outcomes(self) -> Sequence[str]:
        """Return the labels."""
        return self.labels

    def meaning(self) -> Any:
        """Return the labels and their thresholds."""
        return [self.labels, self._thresholds.tolist()]

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return for each row the labels above their threshold, sorted, and the probability of every label by name.

        A row without features has no list of labels.
        """
        return [
            {
                "labels": self.decode(row[None] >= self._thresholds)[0] if there else None,
                "probabilities": dict(zip(self.labels, row.tolist(), strict=True)),
            }
            for row, there in zip(predictions, known, strict=True)
        ]

    def score_names(self) -> list[str]:
        """Return the labels."""
        return list(self.labels)

    def scores(self, predictions: Floats) -> Floats:
        """Return the probability of each label, (N, K)."""
        return predictions

    def main_scores(self, predictions: Floats) -> NDArray[np.int64]:
        """Return the index of each row's most probable label, (N,)."""
        return np.asarray(predictions.argmax(axis=1), np.int64)

    def metrics(self, predictions: Floats, encoded: NDArray[np.uint8]) -> dict[str, float]:
        """Return the metrics of these rows by name.

        ``map`` is the mean average precision over the labels that some rows have, ``macro_f1`` the mean over those in
        the rows or the predictions; ``samples_f1`` is the mean over rows, 1 for a row without labels and without
        predicted ones; ``hamming`` is the share of wrong labels over all rows and labels; ``exact`` is the share of
        rows without any wrong label. ``ece`` and ``brier`` are those of the probability of a label, over all pairs of
        row and label.

        Raises:
            MmcliError: There are no rows.
        """
        if not len(encoded):
            raise MmcliError("there are no rows to measure")
        return label_metrics(predictions, predictions >= self._thresholds, encoded.astype(bool))

    def row_scores(self, predictions: Floats, encoded: NDArray[np.uint8]) -> dict[str, Floats]:
        """Return the numbers whose means are ``samples_f1``, ``hamming``, ``exact`` and ``brier``, (N,) each."""
        return label_scores(predictions, predictions >= self._thresholds, encoded.astype(bool))

    def truths(self, encoded: NDArray[np.uint8]) -> tuple[list[str], NDArray[np.bool_]]:
        """Return the labels, and which ones each row has, (N, K)."""
        return self.labels, encoded.astype(bool)

    def by_class(self, predictions: Floats, encoded: NDArray[np.uint8]) -> dict[str, dict[str, float]]:
        """Return ``precision``, ``recall``, ``f1`` and ``rows`` of each label by name."""
        return by_label(self.labels, predictions >= self._thresholds, encoded.astype(bool))

    set_measure = "size"

    def conformal_scores(self, predictions: Floats, encoded: NDArray[np.uint8]) -> Floats:
        """Return the largest score of each row's labels, (N,): 0 if all are predicted or there is none."""
        return np.asarray(np.where(encoded == 1, self._fits(predictions), 0.0).max(axis=1), np.float64)

    def covered(self, predictions: Floats, encoded: NDArray[np.uint8], levels: Floats) -> NDArray[np.bool_]:
        """Return whether each row's set holds all of its labels, (N,)."""
        return np.asarray(self.conformal_scores(predictions, encoded) <= levels)

    def set_sizes(self, predictions: Floats, levels: Floats) -> Floats:
        """Return the number of labels in each row's set, (N,)."""
        return np.asarray((self._fits(predictions) <= levels[:, None]).sum(axis=1), np.float64)

    def set_records(self, predictions: Floats, levels: Floats) -> list[dict[str, Any]]:
        """Return the labels that each row may have, sorted."""
        held = self._fits(predictions) <= levels[:, None]
        return [{"set": labels} for labels in self.decode(held.astype(np.uint8))]

    def rows_by_class(self, encoded: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
        """Return which rows have each label, (N,), by name."""
        return {name: own for name, own in zip(self.labels, encoded.T == 1, strict=True) if own.any()}

    def _fits(self, predictions: Floats) -> Floats:
        return label_fits(predictions, predictions >= self._thresholds)

    def tables(self, predictions: Floats, encoded: NDArray[np.uint8]) -> dict[str, Any]:
        """Return ``calibration``: how often a label is there, by its probability in bins, over all labels."""
        return {"calibration": {"bins": reliability(predictions.ravel(), encoded.ravel() == 1)}}

    def take_empty(self) -> None:
        """Treat an empty cell as a row without labels."""
        self.empty = True

    def metrics_of_draws(
        self, predictions: Floats, encoded: NDArray[np.uint8], counts: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Return all metrics of each draw, (D,)."""
        return draws_of_labels(predictions, predictions >= self._thresholds, encoded.astype(bool), counts)

    def baselines(self, encoded: NDArray[np.uint8]) -> dict[str, dict[str, float]]:
        """Return ``prior``: the train rows' label shares for every row; labels that most of them have are predicted."""
        shares = np.tile(self._prior, (len(encoded), 1))
        return {"prior": label_metrics(shares, shares >= _HALF, encoded.astype(bool))}

    def state(self) -> State:
        """Return the options and the fitted state."""
        return State(
            {
                "separator": self.separator, "loss": self.loss_name, "threshold": self.threshold,
                "gammas": list(self.gammas), "clip": self.clip, "labels": self.labels,
                "shares": self._prior.tolist(), "thresholds": self._thresholds.tolist(),
                **({"empty": True} if self.empty else {}), **({"lists": True} if self._lists else {}),
            }
        )  # fmt: skip

    def load_state(self, state: State) -> None:
        """Restore the options and the fitted state."""
        values = state.values
        self.separator, self.loss_name, self.threshold = values["separator"], values["loss"], values["threshold"]
        self.empty, self._lists = values.get("empty", False), values.get("lists", False)
        negative, positive = values["gammas"]
        self.gammas, self.clip, self.labels = (negative, positive), values["clip"], list(values["labels"])
        self._prior, self._thresholds = (np.array(values[name], np.float64) for name in ("shares", "thresholds"))

    def _require(self, target: Any) -> list[str]:
        labels = self._split(target)
        if labels is None:
            raise MmcliError(f"target {target!r}: expected {self.fault(target)}")
        return labels

    def _split(self, target: Any) -> list[str] | None:
        """Return the distinct labels of a target; None if it is neither text nor a list of plain values."""
        if target is None:
            return [] if self.empty else None
        if isinstance(target, dict):
            parts = self._columns(target)
        elif isinstance(target, list | tuple):
            parts = list(target)
        else:
            parts = listed(target) if self._lists else None
            parts = parted(str(target), self.separator) if parts is None else parts
        if parts is None or any(part is None or isinstance(part, list | tuple | dict) for part in parts):
            return None
        labels = dict.fromkeys(name for part in parts if (name := class_name(part)) is not None)
        return None if any("\ud800" <= letter <= "\udfff" for label in labels for letter in label) else list(labels)

    def _columns(self, target: dict[str, Any]) -> list[Any] | None:
        """Return the columns of a row that hold 1; None if one holds neither 0 nor 1."""
        cells = [self._zero_or_one(value) for value in target.values()]
        return None if None in cells else [column for column, there in zip(target, cells, strict=True) if there]

    def _zero_or_one(self, cell: Any) -> bool | None:
        if cell is None:
            return False if self.empty else None
        return _ZERO_ONE.get(str(cell).strip().lower().removesuffix(".0"))
