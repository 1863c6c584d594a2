"""One of several ordered classes for each row, such as low, medium and high."""

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
from mmcli.tasks._conformal_scores import rank_fits
from mmcli.tasks._rank_metrics import SKIPPED_IF_UNSEEN, draws_of_ranks, rank_metrics, rank_scores, spearman_draws

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
_BETWEEN = "|"
_SHOWN = 12


class Ordinal(ClassAnswers):
    """Classes are ranks: the numbers of the train rows by value, or names in a given order.

    The prediction is the median of the classes' probabilities, which minimises the expected distance. Distances are in
    ranks: neighbours are one apart, whatever their numbers.

    Args:
        order: The classes from lowest to highest, as ``low|medium|high``; None sorts numbers by value. It may contain
            classes that no train row has.
        loss: ``rps``, the ranked probability score, which penalises classes by their distance from the true one; or
            ``cross_entropy``, which treats all wrong classes equally.

    Source: Epstein 1969, A Scoring System for Probability Forecasts of Ranked Categories; as a loss, Hou et al. 2016,
    Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks, section 3.
    """

    version = 1
    link = "softmax"
    monitor = "rps"
    headline = ("mae", "quadratic_kappa", "accuracy", "within_1", "spearman")
    smaller_is_better = ("mae", "macro_mae", "rps", "ece", "brier")
    encodes_classes = True
    of_networks = ("loss",)
    skipped_if_unseen = SKIPPED_IF_UNSEEN

    def __init__(self, *, order: str | None = None, loss: Literal["rps", "cross_entropy"] = "rps") -> None:
        names = [] if order is None else [class_name(part.strip()) for part in order.split(_BETWEEN)]
        self.order = [name for name in names if name is not None]
        if order is not None and (None in names or len(set(names)) < max(2, len(names))):
            raise UsageError(
                f"task ordinal: expected an order of at least two classes, each once, such as low|medium|high, "
                f"not {order!r}"
            )
        self.loss_name = loss
        self.classes: list[str] = []
        self._counts = np.zeros(0, np.int64)

    def fault(self, target: Any) -> str | None:
        """Return what was expected if a target is not a class, or not in the given order."""
        name = class_name(target)
        if self.order:
            return None if name in self.order else f"one of {', '.join(self.order)} (order=…)"
        return "one class" if name is None else None

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the classes and their frequencies.

        Raises:
            MmcliError: A target is empty, a list or not valid Unicode, or not in the order; there is no order and a
                target is not a number; or there are fewer than two classes.
        """
        names = class_names("ordinal", targets)
        found = sorted(set(names), key=class_order)
        words = [name for name in found if class_order(name)[0]]
        if words and not self.order:
            shown = _BETWEEN.join(found[:_SHOWN]) + ("|…" if len(found) > _SHOWN else "")
            raise MmcliError(
                f"task ordinal: {words[0]!r} is not a number, so give the order, lowest class first: "
                f"--task 'ordinal:order={shown}', rearranged"
            )
        if len(found) < 2:
            there = f"only {found[0]!r}" if found else "none"
            raise MmcliError(f"ordinal needs at least two classes in the train rows, found {there}")
        self.classes = self.order or found
        self._counts = np.bincount(self.encode(targets), minlength=self.out_dim)

    def known(self, target: Any) -> bool:
        """Return whether this is one of the classes."""
        return class_name(target) in class_places(self.classes)

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the name of each target's class, (N,) objects, including unseen classes, which count as wrong.

        Raises:
            MmcliError: A target is empty, a list or not valid Unicode.
        """
        return class_references("ordinal", targets)

    def decode(self, encoded: Indexes) -> list[str]:
        """Return the class names at these ranks."""
        return [self.classes[rank] for rank in encoded]

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of outputs (B, K) for ranks (B,), a mean weighted by class."""
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
        """Return the rank of each row's predicted class, (N,): the lowest with cumulative probability from 0.5 on."""
        return np.asarray((predictions.cumsum(axis=1)[:, :-1] < 0.5).sum(axis=1), np.int64)

    def class_fits(self, predictions: Floats) -> Floats:
        """Return the conformal score of every class, (N, K); those up to a level are contiguous."""
        return rank_fits(predictions, self.decide(predictions))

    def meaning(self) -> Any:
        """Return the classes."""
        return self.classes

    def metrics(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, float]:
        """Return the metrics of these rows by name; classes are as ``encode`` or ``references`` returns them.

        ``macro_mae`` is the mean of ``mae`` over the classes in the rows. ``quadratic_kappa`` is left out if all rows
        have, and are predicted, the same class, ``spearman`` if all have the same; both are 0 if all predictions are
        equal. An unseen class has no rank: it counts as wrong, without a distance.

        Raises:
            MmcliError: There are no rows.
        """
        return rank_metrics(predictions, self.decide(predictions), self._ranks(encoded))

    def row_scores(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Floats]:
        """Return the numbers, (N,) each, whose means are all metrics but the kappa, ``spearman`` and ``ece``."""
        return rank_scores(predictions, self.decide(predictions), self._ranks(encoded))

    def metrics_of_draws(
        self, predictions: Floats, encoded: NDArray[Any], counts: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Return all metrics of each draw, (D,)."""
        said, true = self.decide(predictions), self._ranks(encoded)
        ranked = true < self.out_dim
        return {
            **draws_of_ranks(predictions, said, true, counts),
            "spearman": spearman_draws(said[ranked], true[ranked], counts[:, ranked]),
        }

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``median`` and ``majority``: that class of the train rows for every row, with their class shares."""
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
