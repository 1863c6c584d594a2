"""One of several classes for each row."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import metrics
from torch import Tensor

from mmcli.errors import MmcliError
from mmcli.store.state import State

ECE_BINS = 15
_DECIMAL = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.(\d+))?")


class Classification:
    """Classes are those of the train rows, sorted: numbers by value, then words.

    A class's name is a string; 3, 3.0, "3" and "3.0" are one class, and so are true, True and "true".
    """

    version = 1
    link = "softmax"
    monitor = "log_loss"
    headline = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss")
    smaller_is_better = ("log_loss", "ece")

    def __init__(self) -> None:
        self.classes: list[str] = []
        self._counts = np.zeros(0, np.int64)

    def fault(self, target: Any) -> str | None:
        """Return what a target should be, where it is no class."""
        return "one class" if _name(target) is None else None

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the classes and how frequent they are.

        Raises:
            MmcliError: A target is empty, a list or no Unicode text, or there are not two different ones.
        """
        names = [_name(target) for target in targets]
        if None in names:
            raise MmcliError(f"classification needs one class a row, not {targets[names.index(None)]!r}")
        for name in names:
            if name is not None and not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
                raise MmcliError(f"the class {name!r} holds half a surrogate pair, which no text has")
        self.classes = sorted({name for name in names if name is not None}, key=_order)
        if len(self.classes) < 2:
            found = f"only {self.classes[0]!r}" if self.classes else "none"
            raise MmcliError(f"classification needs at least two classes in the train rows, there is {found}")
        self._counts = np.bincount(self.encode(targets), minlength=self.out_dim)

    @property
    def out_dim(self) -> int:
        """The number of classes K."""
        return len(self.classes)

    def known(self, target: Any) -> bool:
        """Return whether a train row had this class."""
        return _name(target) in self.classes

    def encode(self, targets: Sequence[Any]) -> NDArray[np.int64]:
        """Return the index of each target's class, (N,).

        Raises:
            MmcliError: A class was in no train row.
        """
        index: dict[str | None, int] = {name: position for position, name in enumerate(self.classes)}
        found = [index.get(_name(target), -1) for target in targets]
        if -1 in found:
            unseen = targets[found.index(-1)]
            raise MmcliError(f"target {unseen!r} is none of the {self.out_dim} classes of the train rows")
        return np.array(found, np.int64)

    def decode(self, encoded: NDArray[np.int64]) -> list[str]:
        """Return the class names at these indexes."""
        return [self.classes[index] for index in encoded]

    def class_weights(self, encoded: NDArray[np.int64], mode: Literal["none", "balanced"]) -> Tensor | None:
        """Return weights (K,) under which all classes of these rows count alike; None for ``none``."""
        if mode == "none":
            return None
        counts = np.bincount(encoded, minlength=self.out_dim)
        return torch.tensor(len(encoded) / (self.out_dim * counts.clip(min=1)), dtype=torch.float32)

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the cross-entropy of outputs (B, K) with class indexes (B,)."""
        return torch.nn.functional.cross_entropy(outputs, encoded, weight=weight)

    def predictions(self, outputs: Tensor) -> NDArray[np.float64]:
        """Return the softmax of the outputs, (N, K)."""
        found: NDArray[np.float64] = outputs.detach().cpu().double().softmax(dim=1).numpy()
        return found

    def prior(self) -> NDArray[np.float64]:
        """Return the share of each class in the train rows, (K,)."""
        return np.asarray(self._counts / self._counts.sum(), np.float64)

    def records(self, predictions: NDArray[np.float64], known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return for each row the likeliest class, its probability, and those of all classes by name.

        A row that had no feature has no likeliest class.
        """
        return [
            {
                "label": self.classes[int(row.argmax())] if there else None,
                "probability": float(row.max()) if there else None,
                "probabilities": dict(zip(self.classes, row.tolist(), strict=True)),
            }
            for row, there in zip(predictions, known, strict=True)
        ]

    def metrics(self, predictions: NDArray[np.float64], encoded: NDArray[np.int64]) -> dict[str, float]:
        """Return the metrics of these rows by name.

        Macro averages are over the classes that the rows or the predictions have, ``balanced_accuracy`` over
        those the rows have. ``roc_auc`` and ``average_precision`` of two classes are those of the second; of
        more, the mean over the classes that some rows have and others do not; without such a class they are
        left out. ``ece`` is over 15 bins of equal width (Guo et al. 2017, section 2).

        Raises:
            MmcliError: There are no rows.
        """
        if not len(encoded):
            raise MmcliError("there are no rows to measure")
        predicted = predictions.argmax(axis=1)
        found = {"accuracy": metrics.accuracy_score(encoded, predicted)}
        with warnings.catch_warnings():
            for said in ("y_pred contains classes not in y_true", "A single label was found"):
                warnings.filterwarnings("ignore", message=said)
            found["balanced_accuracy"] = metrics.balanced_accuracy_score(encoded, predicted)
        for average in ("macro", "micro", "weighted"):
            scores = metrics.precision_recall_fscore_support(encoded, predicted, average=average, zero_division=0)
            for name, value in zip(("precision", "recall", "f1"), scores, strict=False):
                found[f"{average}_{name}"] = value
        ranked = [1] if self.out_dim == 2 else range(self.out_dim)
        defined = [(encoded == k, predictions[:, k]) for k in ranked if 0 < (encoded == k).sum() < len(encoded)]
        if defined:
            found["roc_auc"] = np.mean([metrics.roc_auc_score(*pair) for pair in defined])
            found["average_precision"] = np.mean([metrics.average_precision_score(*pair) for pair in defined])
        found["log_loss"] = metrics.log_loss(encoded, predictions, labels=range(self.out_dim))
        found["ece"] = _calibration_error(predictions.max(axis=1), predicted == encoded)
        return {name: float(value) for name, value in found.items()}

    def row_scores(
        self, predictions: NDArray[np.float64], encoded: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float64]]:
        """Return what the mean of is ``accuracy``, ``balanced_accuracy`` and ``log_loss``, (N,) each."""
        right = (predictions.argmax(axis=1) == encoded).astype(np.float64)
        counts = np.bincount(encoded, minlength=self.out_dim)
        likelihood = predictions[np.arange(len(encoded)), encoded]
        return {
            "accuracy": right,
            "balanced_accuracy": right * len(encoded) / (np.count_nonzero(counts) * counts[encoded]),
            "log_loss": -np.log(likelihood.clip(min=np.finfo(np.float64).eps)),
        }

    def tables(self, predictions: NDArray[np.float64], encoded: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
        """Return ``confusion``: classes and counts (K, K), a row for each true class, a column for each predicted."""
        counts = metrics.confusion_matrix(encoded, predictions.argmax(axis=1), labels=range(self.out_dim))
        return {"confusion": {"classes": self.classes, "counts": counts.tolist()}}

    def baselines(self, encoded: NDArray[np.int64]) -> dict[str, dict[str, float]]:
        """Return ``majority``: the train rows' most frequent class for all, with the train rows' shares."""
        return {"majority": self.metrics(np.tile(self.prior(), (len(encoded), 1)), encoded)}

    def state(self) -> State:
        """Return the classes and their counts in the train rows."""
        return State({"classes": self.classes, "counts": self._counts.tolist()})

    def load_state(self, state: State) -> None:
        """Take over what an earlier ``fit`` learnt."""
        self.classes = list(state.values["classes"])
        self._counts = np.array(state.values["counts"], np.int64)


def _name(target: Any) -> str | None:
    """Return the name of a target's class; None where it is empty or not a single value."""
    text = str(target)
    if target is None or isinstance(target, list | tuple | dict) or not text.strip():
        return None
    if text.lower() in ("true", "false"):
        return text.lower()
    number = _DECIMAL.fullmatch(text)
    if number is None:
        return text
    fraction = (number[2] or "").rstrip("0")
    return f"{number[1]}.{fraction}" if fraction else number[1].replace("-0", "0")


def _order(name: str) -> tuple[bool, float, str]:
    is_number = _DECIMAL.fullmatch(name) is not None
    return (not is_number, float(name) if is_number else 0.0, name)


def _calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    bins = np.ceil(confidence * ECE_BINS).clip(1, ECE_BINS).astype(np.int64) - 1
    gaps = np.bincount(bins, weights=correct - confidence, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(confidence))
