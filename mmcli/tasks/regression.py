"""A number for each row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from mmcli.errors import MmcliError, UsageError
from mmcli.store.cells import advice
from mmcli.store.state import State
from mmcli.tasks import number_of
from mmcli.tasks._conformal_scores import bounds, gaps
from mmcli.tasks._number_metrics import all_draws_of_numbers, number_metrics, number_scores

Floats = NDArray[np.float64]
Loss = Literal["mse", "mae", "huber", "quantile"]
_BY_NAME: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse_loss, "mae": l1_loss, "huber": huber_loss}
_INTERVAL = 0.8
_LARGEST_LOG = 300.0  # its exponential squared is still finite


class Regression:
    """One number, learnt standardised by the train rows' mean and standard deviation.

    Args:
        loss: ``huber`` changes from squared to absolute at one standard deviation; ``quantile`` learns the median and
            the ends of an interval.
        log: Learn the natural logarithm of targets, which must then be above 0.
        interval: With ``loss=quantile``, the share of targets inside the interval, between 0 and 1.
        sentiment: Add the metrics of papers on CMU-MOSI and CMU-MOSEI, for targets from -3 to 3.

    Source: Huber 1964, Robust Estimation of a Location Parameter; Koenker and Bassett 1978, Regression Quantiles, with
    ends sorted as in Chernozhukov et al. 2010, Quantile and Probability Curves Without Crossing.
    """

    version = 1
    link = "identity"
    monitor = "loss"
    headline = ("r2", "rmse", "mae", "pearson", "coverage", "acc_2_has0", "acc_2_non0", "acc_7")
    smaller_is_better = ("rmse", "mae", "mape", "width")
    of_networks = ("loss=mae", "loss=huber")

    def __init__(
        self, *, loss: Loss = "mse", log: bool = False, interval: float = _INTERVAL, sentiment: bool = False
    ) -> None:
        if interval != _INTERVAL and loss != "quantile":
            raise UsageError(f"task regression: interval={interval} needs loss=quantile")
        if not 0 < interval < 1:
            raise UsageError(f"task regression: interval must be between 0 and 1, not {interval}")
        self.loss_name = loss
        self.log = log
        self.interval = interval
        self.sentiment = sentiment
        self._centre, self._scale = 0.0, 1.0
        self._mean, self._median = 0.0, 0.0
        self._prior: Floats = np.zeros(1)

    def fault(self, target: Any) -> str | None:
        """Return what was expected if a target is not a number, or with ``log`` not above 0."""
        number = number_of(target)
        advised = advice(target) if number is None else None
        end = "" if advised is None else f" ({advised})"
        if self.log:
            fits = number is not None and number > 0
            return None if fits else f"a number above 0, of which there is a logarithm (log=true){end}"
        return f"a number{end}" if number is None else None

    @property
    def reads_numbers(self) -> bool:
        """Targets are a numeric column, in which ``NA`` is a missing value."""
        return True

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the mean, spread and quantiles.

        Raises:
            MmcliError: A target is not a valid number, or all are equal.
        """
        numbers = self.encode(targets)
        scaled = np.log(numbers) if self.log else numbers
        if len(scaled) == 0 or scaled.min() == scaled.max():
            found = "all are equal" if len(scaled) else "there are none"
            raise MmcliError(f"regression needs two distinct numbers in the train rows: {found}")
        with np.errstate(over="ignore", invalid="ignore"):
            self._centre, self._scale = float(scaled.mean()), float(scaled.std())
        if not (math.isfinite(self._scale) and self._scale > 0):
            raise MmcliError("the numbers of the train rows are too far apart, or too close, for floating point")
        self._mean, self._median = float(numbers.mean()), float(np.median(numbers))
        if self.loss_name == "mse":
            self._prior = self._undo(np.zeros(1))
        else:
            self._prior = np.quantile(numbers, self.levels or [0.5])

    @property
    def out_dim(self) -> int:
        """One output, or three with an interval."""
        return 3 if self.loss_name == "quantile" else 1

    def known(self, target: Any) -> bool:
        """Return whether a target is a valid number."""
        return self.fault(target) is None

    def encode(self, targets: Sequence[Any]) -> Floats:
        """Return the numbers unchanged, (N,).

        Raises:
            MmcliError: A target is not a number, or with ``log`` not above 0.
        """
        for target in targets:
            fault = self.fault(target)
            if fault is not None:
                raise MmcliError(f"target {target!r}: expected {fault}")
        return np.array([number_of(target) for target in targets], np.float64)

    def decode(self, encoded: Floats) -> list[float]:
        """Return the numbers."""
        return [float(number) for number in encoded]

    def class_weights(self, encoded: Floats, mode: Literal["none", "balanced", "effective"]) -> Tensor | None:
        """Return None.

        Raises:
            UsageError: Weights are requested.
        """
        if mode != "none":
            raise UsageError(f"--class-weights {mode}: regression has no classes")
        return None

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of standardised outputs (B, K) for numbers (B,)."""
        wanted = self._scaled(encoded).to(outputs.dtype)
        if self.loss_name == "quantile":
            levels = torch.tensor(self.levels, dtype=outputs.dtype, device=outputs.device)
            gaps = wanted.unsqueeze(1) - outputs
            return torch.maximum(levels * gaps, (levels - 1) * gaps).mean()
        found: Tensor = _BY_NAME[self.loss_name](outputs.squeeze(1), wanted)
        return found

    def wanted(self, encoded: Floats) -> Floats:
        """Return the outputs that predict exactly these numbers, (N, K), on which estimators are trained."""
        scaled: Floats = self._scaled(torch.from_numpy(encoded)).numpy()
        return np.repeat(scaled[:, None], self.out_dim, axis=1)

    def predictions(self, outputs: Tensor) -> Floats:
        """Return numbers in the targets' units, (N, 1), or the low end, the median and the high end, (N, 3)."""
        scaled: Floats = outputs.detach().cpu().double().numpy()
        return self._undo(np.sort(scaled, axis=1))

    def prior(self) -> Floats:
        """Return the best constant for the loss, (1,) or (3,): the mean, that of logarithms, or quantiles."""
        return self._prior

    def meaning(self) -> Any:
        """Return the quantiles, if any; numbers are in the targets' units."""
        return list(self.levels)

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return the number of each row and, if learnt, the ends of its interval.

        A row without features gets the prior.
        """
        del known
        if self.loss_name == "quantile":
            return [{"value": middle, "low": low, "high": high} for low, middle, high in predictions.tolist()]
        return [{"value": value} for (value,) in predictions.tolist()]

    def score_names(self) -> list[str]:
        """Return ``value``."""
        return ["value"]

    def scores(self, predictions: Floats) -> Floats:
        """Return the predicted number, (N, 1); with an interval, its median."""
        middle = predictions.shape[1] // 2
        return predictions[:, middle : middle + 1]

    def main_scores(self, predictions: Floats) -> NDArray[np.int64]:
        """Return zeros, (N,): there is one number."""
        return np.zeros(len(predictions), np.int64)

    def metrics(self, predictions: Floats, encoded: Floats) -> dict[str, float]:
        """Return the metrics of these rows by name.

        ``mape`` is left out if a target is 0, ``r2`` and correlations if all targets are equal; if all predictions are
        equal, correlations are 0. ``coverage`` is the share of targets inside intervals, ``width`` the mean width.

        Raises:
            MmcliError: There are no rows.
        """
        if not len(encoded):
            raise MmcliError("there are no rows to measure")
        return number_metrics(predictions, encoded, self.sentiment)

    def row_scores(self, predictions: Floats, encoded: Floats) -> dict[str, Floats]:
        """Return the numbers whose means are ``mae``, ``mape``, ``coverage``, ``width`` and accuracies, (N,) each."""
        return number_scores(predictions, encoded, self.sentiment)

    def metrics_of_draws(self, predictions: Floats, encoded: Floats, counts: NDArray[np.int64]) -> dict[str, Floats]:
        """Return all metrics of each draw, (D,)."""
        return all_draws_of_numbers(predictions, encoded, counts, self.sentiment)

    def baselines(self, encoded: Floats) -> dict[str, dict[str, float]]:
        """Return ``mean`` and ``median``: that of the train rows for every row."""
        constants = {"mean": self._mean, "median": self._median}
        return {name: self.metrics(np.full((len(encoded), 1), value), encoded) for name, value in constants.items()}

    set_measure = "width"

    def conformal_scores(self, predictions: Floats, encoded: Floats) -> Floats:
        """Return how far each number is from its prediction, or from its interval, (N,); with ``log`` of logarithms."""
        return gaps(predictions, encoded, self.log)

    def covered(self, predictions: Floats, encoded: Floats, levels: Floats) -> NDArray[np.bool_]:
        """Return whether each number is in its interval, (N,)."""
        low, high = bounds(predictions, levels, self.log).T
        return np.asarray((low <= encoded) & (encoded <= high))

    def set_sizes(self, predictions: Floats, levels: Floats) -> Floats:
        """Return the width of each row's interval, (N,)."""
        low, high = bounds(predictions, levels, self.log).T
        return np.asarray(high - low, np.float64)

    def set_records(self, predictions: Floats, levels: Floats) -> list[dict[str, Any]]:
        """Return the ends of each row's interval, None if unbounded."""
        ends = [[end if math.isfinite(end) else None for end in row] for row in bounds(predictions, levels, self.log)]
        return [{"interval_low": low, "interval_high": high} for low, high in ends]

    def rows_by_class(self, encoded: Floats) -> dict[str, NDArray[np.bool_]]:
        """Return nothing: there are no classes."""
        del encoded
        return {}

    def state(self) -> State:
        """Return the options and the fitted state."""
        return State(
            {
                "loss": self.loss_name, "log": self.log, "interval": self.interval, "sentiment": self.sentiment,
                "centre": self._centre, "scale": self._scale, "mean": self._mean, "median": self._median,
                "prior": self._prior.tolist(),
            }
        )  # fmt: skip

    def load_state(self, state: State) -> None:
        """Restore the options and the fitted state."""
        values = state.values
        self.loss_name, self.log, self.interval = values["loss"], values["log"], values["interval"]
        self.sentiment = values["sentiment"]
        self._centre, self._scale = values["centre"], values["scale"]
        self._mean, self._median = values["mean"], values["median"]
        self._prior = np.array(values["prior"], np.float64)

    @property
    def levels(self) -> list[float]:
        """The quantiles that the outputs stand for; [] if none."""
        if self.loss_name != "quantile":
            return []
        return [(1 - self.interval) / 2, 0.5, (1 + self.interval) / 2]

    def _scaled(self, encoded: Tensor) -> Tensor:
        return ((encoded.log() if self.log else encoded) - self._centre) / self._scale

    def _undo(self, scaled: Floats) -> Floats:
        numbers = scaled * self._scale + self._centre
        return np.exp(numbers.clip(-_LARGEST_LOG, _LARGEST_LOG)) if self.log else numbers
