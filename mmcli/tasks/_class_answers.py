"""What tasks of classes have alike: the classes as targets, and what is said of rows once they have decided."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmcli.tasks._class_loss import weights_of_classes
from mmcli.tasks._class_metrics import reliability
from mmcli.tasks._class_names import are_numbers, by_class, class_indexes, class_records, confusion, numbered

Floats = NDArray[np.float64]


class ClassAnswers:
    """A task whose targets are indexes of classes, and whose predictions are class probabilities."""

    classes: list[str]
    _counts: NDArray[np.int64]

    @property
    def out_dim(self) -> int:
        """The number of classes K."""
        return len(self.classes)

    @property
    def reads_numbers(self) -> bool:
        """Whether targets are a column of numbers, in which ``NA`` says that there is none."""
        return are_numbers(self.classes)

    def encode(self, targets: Sequence[Any]) -> NDArray[np.int64]:
        """Return the index of each target's class, (N,), its rank where they have an order.

        Raises:
            MmcliError: One is none of the classes.
        """
        return class_indexes(self.classes, targets)

    def prior(self) -> Floats:
        """Return the share of each class in the train rows, (K,)."""
        return np.asarray(self._counts / self._counts.sum(), np.float64)

    def class_weights(
        self, encoded: NDArray[np.int64], mode: Literal["none", "balanced", "effective"]
    ) -> Tensor | None:
        """Return weights (K,), None for ``none``.

        Under ``balanced`` ones all classes of these rows count alike; ``effective`` ones are between them and equal
        ones, as if each further row of a class said less that is new.
        """
        return weights_of_classes(encoded, self.out_dim, mode)

    @abstractmethod
    def decide(self, predictions: Floats) -> NDArray[np.int64]:
        """Return the index of each row's predicted class, (N,)."""

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return for each row the class decided on, its probability, and those of all classes by name.

        A row that had no feature has no such class.
        """
        return class_records(self.classes, predictions, self.decide(predictions), known)

    def tables(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, dict[str, Any]]:
        """Return ``confusion`` and ``calibration``.

        The former has classes and counts (K, K), a row for each true class, a column for each predicted; the latter the
        accuracy of rows by the probability of their likeliest class, in bins.
        """
        indexes, names = numbered(self.classes, encoded)
        return {
            "confusion": confusion(names, self.decide(predictions), indexes),
            "calibration": {"bins": reliability(predictions, indexes)},
        }

    def by_class(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``precision``, ``recall``, ``f1`` and ``rows`` of each class by its name."""
        indexes, names = numbered(self.classes, encoded)
        return by_class(names, self.decide(predictions), indexes)
