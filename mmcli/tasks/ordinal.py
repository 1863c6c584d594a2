"""One of several classes in an order for each row, such as low, medium and high."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from mmcli.errors import MmcliError, UsageError
from mmcli.store.labels import class_name
from mmcli.store.state import State
from mmcli.tasks._class_answers import ClassAnswers
from mmcli.tasks._class_names import (
    class_names,
    class_order,
    class_places,
    class_references,
    numbered,
)
from mmcli.tasks._rank_metrics import SKIPPED_IF_UNSEEN, draws_of_ranks, rank_metrics, rank_scores

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
_BETWEEN = "|"
_SHOWN = 12


class Ordinal(ClassAnswers):
    """Classes are ranks: the numbers of the train rows by value, or names in the order that is given.

    Predicted is the median of the classes' probabilities, from which the distance is expected to be least. Distances
    are in ranks: neighbours are one apart, whatever their numbers.

    Args:
        order: The classes from the lowest to the highest, as ``low|medium|high``; None takes numbers by value. It
            may hold classes that no train row has.
        loss: ``rps``, the ranked probability score, by which a class counts the worse the further it is from the
            row's own; or ``cross_entropy``, by which all others count alike.

    Source: Epstein 1969, A Scoring System for Probability Forecasts of Ranked Categories; as a loss, Hou et al. 2016,
    Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks, section 3.
    """

    version = 1
    link = "softmax"
    monitor = "rps"
    headline = ("mae", "quadratic_kappa", "accuracy", "within_1", "spearman")
    smaller_is_better = ("mae", "macro_mae", "rps")
    encodes_classes = True
    of_networks = ("loss",)
    skipped_if_unseen = SKIPPED_IF_UNSEEN

    def __init__(self, *, order: str | None = None, loss: Literal["rps", "cross_entropy"] = "rps") -> None:
        names = [] if order is None else [class_name(part.strip()) for part in order.split(_BETWEEN)]
        self.order = [name for name in names if name is not None]
        if order is not None and (None in names or len(set(names)) < max(2, len(names))):
            raise UsageError(
                f"task ordinal: expected an order of two different classes or more, each once, as low|medium|high, "
                f"not {order!r}"
            )
        self.loss_name = loss
        self.classes: list[str] = []
        self._counts = np.zeros(0, np.int64)

    def fault(self, target: Any) -> str | None:
        """Return what a target should be, where it is no class, or none of the order that was given."""
        name = class_name(target)
        if self.order:
            return None if name in self.order else f"one of {', '.join(self.order)} (order=…)"
        return "one class" if name is None else None

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the classes and how frequent they are.

        Raises:
            MmcliError: A target is empty, a list or no Unicode text, or not in the order; there is no order and one
                is no number; or there are not two different ones.
        """
        names = class_names("ordinal", targets)
        found = sorted(set(names), key=class_order)
        words = [name for name in found if class_order(name)[0]]
        if words and not self.order:
            shown = _BETWEEN.join(found[:_SHOWN]) + ("|…" if len(found) > _SHOWN else "")
            raise MmcliError(
                f"task ordinal: {words[0]!r} is no number, so the order must be said, the lowest class first: "
                f"--task 'ordinal:order={shown}', in the right order"
            )
        if len(found) < 2:
            there = f"only {found[0]!r}" if found else "none"
            raise MmcliError(f"ordinal needs at least two classes in the train rows, there is {there}")
        self.classes = self.order or found
        self._counts = np.bincount(self.encode(targets), minlength=self.out_dim)

    def known(self, target: Any) -> bool:
        """Return whether this is one of the classes."""
        return class_name(target) in class_places(self.classes)

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the name of each target's class, (N,) objects: one of no train row is there, and counts as wrong.

        Raises:
            MmcliError: A target is empty, a list or no Unicode text.
        """
        return class_references("ordinal", targets)

    def decode(self, encoded: Indexes) -> list[str]:
        """Return the class names at these ranks."""
        return [self.classes[rank] for rank in encoded]

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of outputs (B, K) with ranks (B,), a mean in which rows count as their class does."""
        if self.loss_name == "cross_entropy":
            return cross_entropy(outputs, encoded, weight=weight)
        cuts = torch.arange(self.out_dim - 1, device=encoded.device)
        wanted = (encoded[:, None] <= cuts).to(outputs.dtype)
        each = (outputs.softmax(dim=1).cumsum(dim=1)[:, :-1] - wanted).square().sum(dim=1)
        return each.mean() if weight is None else (each * weight[encoded]).sum() / weight[encoded].sum()

    def predictions(self, outputs: Tensor) -> Floats:
        """Return the softmax of the outputs, (N, K)."""
        found: Floats = outputs.detach().cpu().double().softmax(dim=1).numpy()
        return found

    def decide(self, predictions: Floats) -> Indexes:
        """Return the rank of each row's predicted class, (N,): the lowest with a half or more at or below it."""
        return np.asarray((predictions.cumsum(axis=1)[:, :-1] < 0.5).sum(axis=1), np.int64)

    def meaning(self) -> Any:
        """Return the classes."""
        return self.classes

    def metrics(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, float]:
        """Return the metrics of these rows by name; classes are as ``encode`` or ``references`` returns them.

        ``macro_mae`` is the mean over the classes that the rows have of their ``mae``. ``quadratic_kappa`` is left out
        where all rows have, and are predicted, the same class, ``spearman`` where all have the same; of predictions
        that are all the same both are 0. A class of no train row has no rank: it is wrong, at no distance.

        Raises:
            MmcliError: There are no rows.
        """
        return rank_metrics(predictions, self.decide(predictions), self._ranks(encoded))

    def row_scores(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Floats]:
        """Return what the mean of is ``mae``, ``macro_mae``, ``accuracy``, ``within_1`` and ``rps``, (N,) each."""
        return rank_scores(predictions, self.decide(predictions), self._ranks(encoded))

    def metrics_of_draws(
        self, predictions: Floats, encoded: NDArray[Any], counts: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Return the metrics of each draw, (D,), but for ``spearman``."""
        return draws_of_ranks(predictions, self.decide(predictions), self._ranks(encoded), counts)

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``median`` and ``majority``: these classes of the train rows for all, with the train rows' shares."""
        shares = np.tile(self.prior(), (len(encoded), 1))
        constants = {"median": self.decide(shares), "majority": shares.argmax(axis=1)}
        return {name: rank_metrics(shares, predicted, self._ranks(encoded)) for name, predicted in constants.items()}

    def _ranks(self, encoded: NDArray[Any]) -> Indexes:
        return numbered(self.classes, encoded)[0]

    def state(self) -> State:
        """Return the classes, their counts in the train rows, and the options."""
        return State(
            {"classes": self.classes, "counts": self._counts.tolist(), "order": self.order, "loss": self.loss_name}
        )

    def load_state(self, state: State) -> None:
        """Restore what an earlier ``fit`` learnt, and the options."""
        values = state.values
        self.classes, self.order = list(values["classes"]), list(values["order"])
        self._counts = np.array(values["counts"], np.int64)
        self.loss_name = values["loss"]
