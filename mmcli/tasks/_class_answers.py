"""What tasks of classes say of rows and of each class, once they have decided."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.tasks._class_names import by_class, class_records, confusion, numbered

Floats = NDArray[np.float64]


class ClassAnswers:
    """Answers, tables and scores of a task whose predictions are class probabilities."""

    classes: list[str]

    @abstractmethod
    def decide(self, predictions: Floats) -> NDArray[np.int64]:
        """Return the index of each row's predicted class, (N,)."""

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return for each row the class decided on, its probability, and those of all classes by name.

        A row that had no feature has no such class.
        """
        return class_records(self.classes, predictions, self.decide(predictions), known)

    def tables(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, dict[str, Any]]:
        """Return ``confusion``: classes and counts (K, K), a row for each true class, a column for each predicted."""
        indexes, names = numbered(self.classes, encoded)
        return {"confusion": confusion(names, self.decide(predictions), indexes)}

    def by_class(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``precision``, ``recall``, ``f1`` and ``rows`` of each class by its name."""
        indexes, names = numbered(self.classes, encoded)
        return by_class(names, self.decide(predictions), indexes)
