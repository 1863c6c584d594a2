"""What a model learns about its own errors from the val rows: temperatures, and the scores of conformal prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.evaluation.temperature import HOTTEST, class_temperature, label_temperature
from mmcli.reporting import Reporter
from mmcli.store.columns import Array
from mmcli.store.state import State
from mmcli.tasks.abilities import HasParts, PredictsSets, Tunes, encodes_classes

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.tasks import Task

MOST_SCORES = 10_000
_SHOWN = ("log_loss", "rps", "ece", "brier")


@dataclass(frozen=True)
class TargetCalibration:
    """What the val rows with one target tell.

    Args:
        rows: Their number.
        temperature: By which the outputs are divided; None for a target without probabilities.
        metrics: Metrics of the probabilities before and after, by name.
        scores: The conformal scores, sorted, of at most ``MOST_SCORES`` rows.
        smoothed: Whether probabilities are smoothed first, so that none is 0.
    """

    rows: int
    temperature: float | None
    metrics: Mapping[str, Sequence[float]]
    scores: Array
    smoothed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return everything but the scores as JSON values."""
        if self.temperature is None:
            return {"rows": self.rows}
        metrics = {name: list(pair) for name, pair in self.metrics.items()}
        smoothed = {"smoothed": True} if self.smoothed else {}
        return {"rows": self.rows, "temperature": self.temperature, **smoothed, "metrics": metrics}

    def scaled(self, task: Task, outputs: Tensor) -> Tensor:
        """Return the outputs (N, K), smoothed if need be, divided by the temperature."""
        if self.temperature is None:
            return outputs
        found = _smoothed(task, outputs, self.rows) if self.smoothed else outputs.double()
        return found / self.temperature


@dataclass(frozen=True)
class Calibration:
    """The calibration of each target by its column; of a single target by ``""``."""

    targets: Mapping[str, TargetCalibration]

    def scaled(self, task: Task, outputs: Tensor) -> Tensor:
        """Return the outputs (N, K) with those of each target smoothed and divided by its temperature."""
        import torch

        if not isinstance(task, HasParts):
            return self.targets[""].scaled(task, outputs)
        blocks = [
            self.targets[name].scaled(task.parts[name], block) if name in self.targets else block
            for name, block in _blocks(task, outputs.double()).items()
        ]
        return torch.cat(blocks, dim=1)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the model's header: by target if there are several."""
        found = {name: own.to_json() for name, own in self.targets.items()}
        return found.get("", found)

    def state(self) -> State:
        """Return everything."""
        values = [{"target": name, **own.to_json()} for name, own in self.targets.items()]
        scores = {f"scores-{place}": own.scores for place, own in enumerate(self.targets.values())}
        return State({"targets": values}, scores)

    @classmethod
    def from_state(cls, state: State) -> Calibration:
        """Return what ``state`` returned; raises what a damaged state leads to."""
        found = {}
        for place, told in enumerate(state.values["targets"]):
            found[told["target"]] = TargetCalibration(
                told["rows"], told.get("temperature"), told.get("metrics", {}), state.tensors[f"scores-{place}"],
                told.get("smoothed", False),
            )  # fmt: skip
        return cls(found)


def calibrate(
    task: Task, outputs: Tensor, encoded: Array, reporter: Reporter, *, smoothed: bool = False
) -> tuple[Task, Calibration]:
    """Return the task with what it tunes on the calibrated val rows, and their calibration.

    Args:
        task: The fitted task.
        outputs: The network's outputs for the val rows, (N, K).
        encoded: Their targets as the task encodes them, (N, …).
        reporter: Receives a warning where val rows do not determine a temperature.
        smoothed: Smooth probabilities first: those of estimators may be 0.
    """
    fitted = Calibration(
        {
            name: _fitted(part, own, wanted, smoothed, f"{name}: " if name else "", reporter)
            for name, part, own, wanted in _each(task, outputs, encoded)
        }
    )
    tuned = task
    if isinstance(task, Tunes):
        tuned = task.tune(task.predictions(fitted.scaled(task, outputs)), encoded)
    found = {}
    for name, part, own, wanted in _each(tuned, outputs, encoded):
        calibrated = fitted.targets[name]
        before, after = part.predictions(own), part.predictions(calibrated.scaled(part, own))
        metrics = [part.metrics(predictions, wanted) for predictions in (before, after)]
        shown = {metric: [values[metric] for values in metrics] for metric in _SHOWN if metric in metrics[0]}
        scores = part.conformal_scores(after, wanted) if isinstance(part, PredictsSets) else np.zeros(0)
        found[name] = replace(calibrated, metrics=shown, scores=_kept(scores))
    return tuned, Calibration(found)


def _each(task: Task, outputs: Tensor, encoded: Array) -> Iterator[tuple[str, Task, Tensor, Array]]:
    """Yield each target's column and task, and the outputs and targets of the rows that have it, if any."""
    import torch

    if not isinstance(task, HasParts):
        yield "", task, outputs, encoded
        return
    blocks = _blocks(task, outputs)
    for name, (rows, own) in task.own_targets(encoded).items():
        if len(rows):
            yield name, task.parts[name], blocks[name][torch.from_numpy(rows)], own


def _blocks(task: HasParts, outputs: Tensor) -> dict[str, Tensor]:
    import torch

    widths = [part.out_dim for part in task.parts.values()]
    return dict(zip(task.parts, torch.split(outputs, widths, dim=1), strict=True))


def _smoothed(task: Task, outputs: Tensor, rows: int) -> Tensor:
    """Return the outputs of probabilities (p rows + 1) / (rows + K): of classes, or of having a label or not.

    A probability of 0, such as the share of no neighbour, has log odds that no temperature makes plausible. As many
    rows as the temperature is fitted to cannot tell it from 1 / (rows + K), Laplace's rule of succession.
    """
    if task.link == "softmax":
        return (outputs.double().softmax(dim=1) * rows + 1).log()
    chance = outputs.double().sigmoid() * rows
    return (chance + 1).log() - (rows - chance + 1).log()


def _fitted(
    task: Task, outputs: Tensor, encoded: Array, smoothed: bool, where: str, reporter: Reporter
) -> TargetCalibration:
    """Return the best temperature for these rows; None if the task has no probabilities."""
    found = TargetCalibration(len(encoded), 1.0, {}, np.zeros(0), smoothed)
    logits = found.scaled(task, outputs).numpy()
    if task.link == "softmax" and encodes_classes(task):
        temperature = class_temperature(logits, encoded)
    elif task.link == "sigmoid":
        temperature = label_temperature(logits, encoded == 1)
    else:
        return replace(found, temperature=None)
    if temperature is None:
        reporter.warn(f"{where}all {len(encoded)} val rows are right, which tells no temperature: 1 is kept")
        return found
    if temperature == HOTTEST:
        reporter.warn(f"{where}the probabilities of val rows are no better than chance; calibrated, they are all alike")
    return replace(found, temperature=temperature)


def _kept(scores: Array) -> Array:
    """Return the sorted scores, of many rows those of some drawn at random."""
    if len(scores) > MOST_SCORES:
        scores = np.random.default_rng(0).choice(scores, MOST_SCORES, replace=False)
    return np.sort(scores)
