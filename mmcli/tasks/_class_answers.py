"""Shared by tasks with classes: classes as targets, and answers once they have decided."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmcli.tasks._class_loss import weights_of_classes
from mmcli.tasks._class_metrics import class_reliability
from mmcli.tasks._class_names import are_numbers, by_class, class_indexes, class_records, confusion, numbered
from mmcli.tasks._conformal_scores import scores_in

Floats = NDArray[np.float64]


class ClassAnswers:
    """A task whose targets are class indexes and whose predictions are class probabilities."""

    classes: list[str]
    _counts: NDArray[np.int64]

    @property
    def out_dim(self) -> int:
        """The number of classes K."""
        return len(self.classes)

    def outcomes(self) -> Sequence[str]:
        """Return the classes."""
        return self.classes

    @property
    def reads_numbers(self) -> bool:
        """Whether targets are a numeric column, in which ``NA`` is a missing value."""
        return are_numbers(self.classes)

    def encode(self, targets: Sequence[Any]) -> NDArray[np.int64]:
        """Return the index of each target's class, (N,), which is its rank if classes are ordered.

        Raises:
            MmcliError: A target is not one of the classes.
        """
        return class_indexes(self.classes, targets)

    def prior(self) -> Floats:
        """Return the share of each class in the train rows, (K,)."""
        return np.asarray(self._counts / self._counts.sum(), np.float64)

    def class_weights(
        self, encoded: NDArray[np.int64], mode: Literal["none", "balanced", "effective"]
    ) -> Tensor | None:
        """Return weights (K,), None for ``none``.

        ``balanced`` weights make all classes of these rows count equally; ``effective`` weights lie between these and
        equal weights, as each further row of a class adds less information.
        """
        return weights_of_classes(encoded, self.out_dim, mode)

    set_measure = "size"

    @abstractmethod
    def class_fits(self, predictions: Floats) -> Floats:
        """Return the conformal score of every class, (N, K): larger for a worse fit, 0 for the predicted class."""

    def conformal_scores(self, predictions: Floats, encoded: NDArray[Any]) -> Floats:
        """Return the score of each row's class, (N,); infinite for an unseen class."""
        return scores_in(self.class_fits(predictions), numbered(self.classes, encoded)[0])

    def covered(self, predictions: Floats, encoded: NDArray[Any], levels: Floats) -> NDArray[np.bool_]:
        """Return whether each row's class is in its set, (N,); an unseen class never is."""
        scores = self.conformal_scores(predictions, encoded)
        return np.asarray((scores <= levels) & np.isfinite(scores))

    def set_sizes(self, predictions: Floats, levels: Floats) -> Floats:
        """Return the number of classes in each row's set, (N,)."""
        return np.asarray((self.class_fits(predictions) <= levels[:, None]).sum(axis=1), np.float64)

    def set_records(self, predictions: Floats, levels: Floats) -> list[dict[str, Any]]:
        """Return the classes in each row's set, in their order."""
        held = self.class_fits(predictions) <= levels[:, None]
        return [{"set": [self.classes[place] for place in np.flatnonzero(row)]} for row in held]

    def rows_by_class(self, encoded: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
        """Return which rows have each class, (N,), by name."""
        indexes, names = numbered(self.classes, encoded)
        return {name: own for place, name in enumerate(names) if (own := indexes == place).any()}

    def confidence(self, predictions: Floats) -> Floats:
        """Return the probability of each row's predicted class, (N,)."""
        return np.asarray(predictions[np.arange(len(predictions)), self.decide(predictions)], np.float64)

    def withheld(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record without the predicted class."""
        return {**record, "label": None}

    @abstractmethod
    def decide(self, predictions: Floats) -> NDArray[np.int64]:
        """Return the index of each row's predicted class, (N,)."""

    def score_names(self) -> list[str]:
        """Return the classes."""
        return list(self.classes)

    def scores(self, predictions: Floats) -> Floats:
        """Return the probability of each class, (N, K)."""
        return predictions

    def main_scores(self, predictions: Floats) -> NDArray[np.int64]:
        """Return the index of each row's predicted class, (N,)."""
        return self.decide(predictions)

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return for each row the predicted class, its probability, and those of all classes by name.

        A row without features has no predicted class.
        """
        return class_records(self.classes, predictions, self.decide(predictions), known)

    def tables(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, dict[str, Any]]:
        """Return ``confusion`` and ``calibration``.

        ``confusion`` has classes and counts (K, K), true classes in rows, predicted classes in columns. ``calibration``
        has the accuracy of rows by the probability of their most likely class, in bins.
        """
        indexes, names = numbered(self.classes, encoded)
        return {
            "confusion": confusion(names, self.decide(predictions), indexes),
            "calibration": {"bins": class_reliability(predictions, indexes)},
        }

    def truths(self, encoded: NDArray[Any]) -> tuple[list[str], NDArray[np.bool_]]:
        """Return the classes, and which one each row has, (N, K); none if it is unseen."""
        indexes, _ = numbered(self.classes, encoded)
        return self.classes, indexes[:, None] == np.arange(self.out_dim)

    def by_class(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``precision``, ``recall``, ``f1`` and ``rows`` of each class by name."""
        indexes, names = numbered(self.classes, encoded)
        return by_class(names, self.decide(predictions), indexes)
