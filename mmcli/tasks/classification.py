"""One of several classes for each row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from mmcli.errors import MmcliError, UsageError
from mmcli.store.labels import class_name
from mmcli.store.state import State
from mmcli.tasks import number_of
from mmcli.tasks._class_answers import ClassAnswers
from mmcli.tasks._class_draws import draws_of_classes
from mmcli.tasks._class_loss import focal_loss
from mmcli.tasks._class_metrics import SKIPPED_IF_UNSEEN, best_threshold, class_metrics, class_scores
from mmcli.tasks._class_names import (
    class_names,
    class_order,
    class_places,
    class_references,
    numbered,
)
from mmcli.tasks._conformal_scores import class_fits

Floats = NDArray[np.float64]


_GAMMA = 2.0


class Classification(ClassAnswers):
    """The classes of the train rows, sorted: numbers by value, then words.

    A class's name is a string; 3, 3.0, "3" and "3.0" are one class, and so are true, True and "true". Surrounding white
    space and Unicode normalisation are ignored; letter case matters.

    Args:
        loss: ``cross_entropy``, or ``focal``, which gives less weight to rows that are clearly right.
        gamma: With ``focal``, how much less; 0 is the cross-entropy.
        label_smoothing: The share of every target that is spread over all classes, from 0 to below 1.
        top_k: Also measure the top-k accuracy, with k of at least 2; 0 does not.
        threshold: For two classes, the probability from which the second is predicted, between 0 and 1; ``auto``
            chooses the threshold with the best balanced accuracy on the val rows, None predicts the likelier class.
        positive: For two classes, the positive one in precision, recall, F1, average precision and ROC; None is the
            rarer one in the train rows, or the second on a tie.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection; Szegedy et al. 2016, Rethinking the Inception
    Architecture for Computer Vision, section 7.
    """

    version = 1
    link = "softmax"
    monitor = "log_loss"
    headline = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss")
    smaller_is_better = ("log_loss", "ece", "brier")
    encodes_classes = True
    of_networks = ("loss", "gamma", "label_smoothing")
    skipped_if_unseen = SKIPPED_IF_UNSEEN

    def __init__(
        self, *, loss: Literal["cross_entropy", "focal"] = "cross_entropy", gamma: float = _GAMMA,
        label_smoothing: float = 0.0, top_k: int = 0, threshold: str | None = None, positive: str | None = None,
    ) -> None:  # fmt: skip
        level = None if threshold in (None, "auto") else number_of(threshold) or math.nan
        for name, value, fits in (
            ("gamma of 0 or more", gamma, 0 <= gamma < math.inf),
            ("label_smoothing from 0 to below 1", label_smoothing, 0 <= label_smoothing < 1),
            ("top_k of 0, or at least 2", top_k, top_k == 0 or top_k >= 2),
            ("threshold of none, auto or a number between 0 and 1", threshold, level is None or 0 < level < 1),
        ):
            if not fits:
                raise UsageError(f"task classification: expected a {name}, not {value!r}")
        if gamma != _GAMMA and loss != "focal":
            raise UsageError(f"task classification: gamma={gamma} is for loss=focal")
        self.loss_name, self.gamma, self.label_smoothing, self.top_k = loss, gamma, label_smoothing, top_k
        self.threshold = level
        self._is_auto = threshold == "auto"
        self.classes: list[str] = []
        self._places = class_places([])
        self._counts = np.zeros(0, np.int64)
        self._asked_positive = positive
        if self._is_auto:  # only then does training need another pass over the val rows
            self.tune = self._tune

    def fault(self, target: Any) -> str | None:
        """Return what was expected if a target is not a class."""
        return "one class" if class_name(target) is None else None

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the classes and their frequencies.

        Raises:
            MmcliError: A target is empty, a list or not valid Unicode; or there are fewer than two classes, more than
                two with a threshold or a positive class, or no more than ``top_k``.
        """
        self.classes = sorted(set(class_names("classification", targets)), key=class_order)
        self._places = class_places(self.classes)
        if len(self.classes) < 2:
            found = f"only {self.classes[0]!r}" if self.classes else "none"
            raise MmcliError(f"classification needs at least two classes in the train rows, found {found}")
        if self.out_dim > 2 and (self._is_auto or self.threshold is not None):
            raise MmcliError(f"task classification: threshold is for two classes, not the {self.out_dim} found")
        if self.top_k >= self.out_dim:
            raise MmcliError(
                f"task classification: top_k={self.top_k} needs more classes than the {self.out_dim} of the train rows"
            )
        self._counts = np.bincount(self.encode(targets), minlength=self.out_dim)
        if self._asked_positive is not None:
            self.take_positive(self._asked_positive)

    def take_positive(self, label: str) -> None:
        """Make this one of two classes the positive one.

        Raises:
            UsageError: There are more than two classes, or it is not one of them.
        """
        if self.out_dim != 2:
            raise UsageError(f"positive class {label!r}: expected two classes, found {self.out_dim}")
        if not self.known(label):
            raise UsageError(f"positive class {label!r}: expected {' or '.join(map(repr, self.classes))}")
        self._asked_positive = self.classes[self._places[class_name(label)]]

    @property
    def positive(self) -> str | None:
        """The positive one of two classes; None for more classes."""
        if self.out_dim != 2:
            return None
        rarer = 0 if self._counts[0] < self._counts[1] else 1
        return self._asked_positive or self.classes[rarer]

    def known(self, target: Any) -> bool:
        """Return whether a train row has this class."""
        return class_name(target) in self._places

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the name of each target's class, (N,) objects, including unseen classes, which count as wrong.

        Raises:
            MmcliError: A target is empty, a list or not valid Unicode.
        """
        return class_references("classification", targets)

    def decode(self, encoded: NDArray[np.int64]) -> list[str]:
        """Return the class names at these indexes."""
        return [self.classes[index] for index in encoded]

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of outputs (B, K) for class indexes (B,), a mean weighted by class."""
        if self.loss_name == "cross_entropy":
            return cross_entropy(outputs, encoded, weight=weight, label_smoothing=self.label_smoothing)
        return focal_loss(outputs, encoded, weight, self.gamma, self.label_smoothing)

    def predictions(self, outputs: Tensor) -> NDArray[np.float64]:
        """Return the softmax of the outputs, (N, K)."""
        found: NDArray[np.float64] = outputs.detach().cpu().double().softmax(dim=1).numpy()
        return found

    def decide(self, predictions: Floats) -> NDArray[np.int64]:
        """Return the index of each row's predicted class, (N,): the likeliest, or by ``threshold``."""
        found = predictions.argmax(axis=1) if self.threshold is None else predictions[:, 1] >= self.threshold
        return np.asarray(found, np.int64)

    def class_fits(self, predictions: Floats) -> Floats:
        """Return 1 minus the probability of every class, (N, K); 0 for the predicted one."""
        return class_fits(predictions, self.decide(predictions))

    def meaning(self) -> Any:
        """Return the classes and the threshold."""
        return [self.classes, self.threshold, self.positive]

    def metrics(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, float]:
        """Return the metrics of these rows by name; classes are as ``encode`` or ``references`` returns them.

        Macro averages are over the classes in the rows or the predictions, ``balanced_accuracy`` over those in the
        rows. For two classes, ``precision``, ``recall``, ``f1``, ``roc_auc`` and ``average_precision`` are those of the
        positive class; for more, the latter two are means over the classes that some rows have and others do not, and
        are left out if there is none. ``ece`` is computed for the likeliest class over 15 bins of equal width (Guo et
        al. 2017, section 2).

        Raises:
            MmcliError: There are no rows.
        """
        return self._metrics(predictions, self.decide(predictions), encoded)

    def indexes(self, encoded: NDArray[Any]) -> NDArray[np.int64]:
        """Return the index of each row's class, (N,), from K on for unseen classes."""
        return numbered(self.classes, encoded)[0]

    def metrics_of_draws(
        self, predictions: Floats, encoded: NDArray[Any], counts: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Return all metrics of each draw, (D,)."""
        positive = 1 if self.positive is None else self.classes.index(self.positive)
        return draws_of_classes(
            predictions, self.decide(predictions), self.indexes(encoded), counts, self.top_k, positive
        )

    def row_scores(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Floats]:
        """Return the numbers whose means are ``accuracy``, ``balanced_accuracy``, ``log_loss``, top-k accuracy, (N,).

        ``log_loss`` is left out if a row has an unseen class.
        """
        return class_scores(predictions, self.decide(predictions), self.indexes(encoded), self.top_k)

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``majority``: the most frequent class of the train rows for every row, with their class shares."""
        shares = np.tile(self.prior(), (len(encoded), 1))
        return {"majority": self._metrics(shares, shares.argmax(axis=1), encoded)}

    def _metrics(self, predictions: Floats, decided: NDArray[np.int64], encoded: NDArray[Any]) -> dict[str, float]:
        positive = 1 if self.positive is None else self.classes.index(self.positive)
        return class_metrics(predictions, decided, self.indexes(encoded), self.top_k, positive)

    def state(self) -> State:
        """Return the classes, their counts in the train rows, and the options that differ from their defaults."""
        plain = Classification()._options()
        asked = {name: value for name, value in self._options().items() if value != plain[name]}
        return State({"classes": self.classes, "counts": self._counts.tolist(), **asked})

    def load_state(self, state: State) -> None:
        """Restore what an earlier ``fit`` learnt, and the options."""
        values = Classification()._options() | state.values
        self.classes = list(values["classes"])
        self._places = class_places(self.classes)
        self._counts = np.array(values["counts"], np.int64)
        self.loss_name, self.gamma, self.label_smoothing = values["loss"], values["gamma"], values["label_smoothing"]
        self.top_k, self.threshold = values["top_k"], values["threshold"]
        self._asked_positive = values["positive"]

    def _options(self) -> dict[str, Any]:
        return {
            "loss": self.loss_name, "gamma": self.gamma, "label_smoothing": self.label_smoothing,
            "top_k": self.top_k, "threshold": self.threshold, "positive": self._asked_positive,
        }  # fmt: skip

    def _tune(self, predictions: Floats, encoded: NDArray[np.int64]) -> Classification:
        """Return the task with the best threshold for these rows."""
        tuned = Classification()
        tuned.load_state(self.state())
        tuned.threshold = best_threshold(predictions[:, 1], encoded == 1)
        return tuned
