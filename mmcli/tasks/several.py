"""Several targets, with a task and a head for each; chosen by more than one --target, not by --task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from glob import escape
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcli.errors import UsageError
from mmcli.registry import TASKS
from mmcli.store.state import State
from mmcli.tasks import Task
from mmcli.tasks.abilities import FindsUnseen, HasMeaning, HasReferences, HasTables, ScoresClasses, Tunes, measures

Floats = NDArray[np.float64]


class Several:
    """The tasks of several targets, trained together with the mean of their losses.

    A target is a mapping of a row's cells by column; an empty cell, or a value that no train row has, is neither
    trained on nor measured. Arrays of all tasks are concatenated: targets (N, E), outputs (B, K), predictions (N, P),
    NaN if a row lacks a target.

    Args:
        tasks: The tasks by column.
    """

    version = 1
    link = "several"
    monitor = "loss"
    headline = ("*.accuracy", "*.macro_f1", "*.r2", "*.mae", "*.map", "*.samples_f1")

    def __init__(self, tasks: Mapping[str, Task] | None = None) -> None:
        self.parts: dict[str, Task] = dict(tasks or {})
        self._targets: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        if any(isinstance(part, Tunes) for part in self.parts.values()):
            self.tune = self._tune

    @property
    def smaller_is_better(self) -> tuple[str, ...]:
        """The metrics to minimise of all parts."""
        return tuple(
            f"{escape(name)}.{metric}" for name, part in self.parts.items() for metric in part.smaller_is_better
        )

    def fault(self, target: Any) -> str | None:
        """Return what was expected of the first invalid part."""
        for name, part in self.parts.items():
            value = _cell(target, name)
            fault = None if value is None else part.fault(value)
            if fault is not None:
                return f"{name!r} to be {fault}"
        return None

    def fit(self, targets: Sequence[Any]) -> None:
        """Fit each task to its nonempty targets.

        Raises:
            MmcliError: One of them cannot be fitted.
        """
        for name, part in self.parts.items():
            own = [_cell(target, name) for target in targets if _is_there(part, _cell(target, name))]
            part.fit(own)
            encoded = part.encode(own[:1])
            self._targets[name] = (encoded.shape[1:], encoded.dtype)

    @property
    def out_dim(self) -> int:
        """The outputs of all heads."""
        return sum(self._out_dims)

    def known(self, target: Any) -> bool:
        """Return whether one of the parts is known."""
        return any(part.known(_cell(target, name)) for name, part in self.parts.items())

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the targets unchanged, (N,) objects; each part prepares its own for metrics."""
        found = np.empty(len(targets), object)
        found[:] = list(targets)
        return found

    def measures(self, target: Any) -> bool:
        """Return whether one of the parts can be measured."""
        return any(measures(part, _cell(target, name)) for name, part in self.parts.items())

    def unseen(self, targets: Sequence[Any]) -> list[str]:
        """Return the unseen labels of these targets, with repetitions."""
        found = []
        for name, part in self.parts.items():
            if isinstance(part, FindsUnseen):
                own = [_cell(target, name) for target in targets if part.known(_cell(target, name))]
                found += [f"{name} {value}" for value in part.unseen(own)]
        return found

    def unknown(self, target: Any) -> list[str]:
        """Return the unseen classes of a target."""
        return [
            f"{name} {_cell(target, name)}"
            for name, part in self.parts.items()
            if _is_there(part, _cell(target, name)) and not part.known(_cell(target, name))
        ]

    def encode(self, targets: Sequence[Any]) -> Floats:
        """Return the encoded targets of all parts, concatenated, (N, E); NaN if there is none."""
        columns = []
        for name, part in self.parts.items():
            width = self._width(name)
            there = np.array([part.known(_cell(target, name)) for target in targets], bool)
            block = np.full((len(targets), width), np.nan)
            if there.any():
                own = [_cell(target, name) for target, known in zip(targets, there, strict=True) if known]
                block[there] = part.encode(own).reshape(-1, width)
            columns.append(block)
        return np.concatenate(columns, axis=1)

    def decode(self, encoded: Floats) -> list[dict[str, Any]]:
        """Return the targets by column, None if a row has none."""
        found: list[dict[str, Any]] = [{} for _ in encoded]
        for name, (rows, own) in self.own_targets(encoded).items():
            values = dict(zip(rows.tolist(), self.parts[name].decode(own) if len(rows) else [], strict=True))
            for row, target in enumerate(found):
                target[name] = values.get(row)
        return found

    def class_weights(self, encoded: Floats, mode: Literal["none", "balanced", "effective"]) -> Tensor | None:
        """Return the weights of the outputs, (K,), NaN for tasks without weights.

        Raises:
            UsageError: None of the tasks supports such weights.
        """
        if mode == "none":
            return None
        blocks, refused = [], None
        for name, (_, own) in self.own_targets(encoded).items():
            weights = None
            try:
                weights = self.parts[name].class_weights(own, mode)
            except UsageError as error:
                refused = error
            blocks.append(torch.full((self.parts[name].out_dim,), torch.nan) if weights is None else weights)
        found = torch.cat(blocks)
        if refused is not None and found.isnan().all():
            raise refused
        return found

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean of the tasks' losses, each over the rows (B, …) that have its target."""
        losses = []
        blocks = torch.split(outputs, self._out_dims, dim=1)
        widths = [self._width(name) for name in self.parts]
        weights: Sequence[Tensor | None] = [None] * len(blocks)
        if weight is not None:
            weights = torch.split(weight, self._out_dims)
        for (name, part), block, target, own in zip(
            self.parts.items(), blocks, torch.split(encoded, widths, dim=1), weights, strict=True
        ):
            there = ~target.isnan().any(dim=1)
            if there.any():
                wanted = self._typed(name, target[there])
                has_weights = own is not None and not own.isnan().any()
                losses.append(part.loss(block[there], wanted, own if has_weights else None))
        return torch.stack(losses).mean() if losses else outputs.sum() * 0

    def predictions(self, outputs: Tensor) -> Floats:
        """Return the predictions of all tasks, concatenated, (N, P)."""
        blocks = torch.split(outputs, self._out_dims, dim=1)
        return np.concatenate(
            [part.predictions(block) for part, block in zip(self.parts.values(), blocks, strict=True)], axis=1
        )

    def prior(self) -> Floats:
        """Return the priors of all tasks, concatenated, (P,)."""
        return np.concatenate([part.prior() for part in self.parts.values()])

    def meaning(self) -> Any:
        """Return the meanings of all tasks; None if one has none."""
        found = {name: part.meaning() if isinstance(part, HasMeaning) else None for name, part in self.parts.items()}
        return None if None in found.values() else found

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return each row's answers by column, under ``targets``."""
        parts = {
            name: self.parts[name].records(block, known) for name, block in self.own_predictions(predictions).items()
        }
        return [{"targets": {name: records[row] for name, records in parts.items()}} for row in range(len(predictions))]

    def own_predictions(self, predictions: Floats) -> dict[str, Floats]:
        """Return by column the predictions of its task, (N, …)."""
        widths = [len(part.prior()) for part in self.parts.values()]
        blocks = np.split(predictions, np.cumsum(widths)[:-1], axis=1)
        return dict(zip(self.parts, blocks, strict=True))

    def by_target(self, predictions: Floats, encoded: Floats) -> dict[str, tuple[Task, Floats, NDArray[Any]]]:
        """Return by column its task, and the predictions and targets of the rows with that target, if any."""
        blocks = self.own_predictions(predictions)
        return {
            name: (self.parts[name], blocks[name][rows], own)
            for name, (rows, own) in self.own_targets(encoded).items()
            if len(rows)
        }

    def counts(self, encoded: Floats) -> dict[str, int]:
        """Return the number of rows with each target."""
        return {name: len(rows) for name, (rows, _) in self.own_targets(encoded).items()}

    def metrics(self, predictions: Floats, encoded: Floats) -> dict[str, float]:
        """Return the metrics of all tasks, as ``colour.accuracy``."""
        return {
            f"{name}.{metric}": value
            for name, (part, own, wanted) in self.by_target(predictions, encoded).items()
            for metric, value in part.metrics(own, wanted).items()
        }

    def row_scores(self, predictions: Floats, encoded: Floats) -> dict[str, Floats]:
        """Return the scores of the tasks whose target every row has."""
        return {
            f"{name}.{metric}": values
            for name, (part, own, wanted) in self.by_target(predictions, encoded).items()
            if len(own) == len(predictions)
            for metric, values in part.row_scores(own, wanted).items()
        }

    def tables(self, predictions: Floats, encoded: Floats) -> dict[str, Any]:
        """Return the tables of all tasks, as ``confusion_colour``."""
        return {
            f"{table}_{name}": value
            for name, (part, own, wanted) in self.by_target(predictions, encoded).items()
            if isinstance(part, HasTables)
            for table, value in part.tables(own, wanted).items()
        }

    def by_class(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Any]:
        """Return the scores of the tasks with classes, by column."""
        return {
            name: part.by_class(own, wanted)
            for name, (part, own, wanted) in self.by_target(predictions, encoded).items()
            if isinstance(part, ScoresClasses)
        }

    def baselines(self, encoded: Floats) -> dict[str, dict[str, float]]:
        """Return the metrics of all tasks, by baseline."""
        found: dict[str, dict[str, float]] = {}
        for name, (rows, own) in self.own_targets(encoded).items():
            for baseline, metrics in (self.parts[name].baselines(own) if len(rows) else {}).items():
                found.setdefault(baseline, {}).update({f"{name}.{metric}": value for metric, value in metrics.items()})
        return found

    def state(self) -> State:
        """Return the tasks with their fitted states."""
        told = [
            {
                "target": name, "task": TASKS.name_of(type(part)), "shape": list(shape),
                "dtype": dtype.name, "state": part.state().values,
            }
            for (name, part), (shape, dtype) in zip(self.parts.items(), self._targets.values(), strict=True)
        ]  # fmt: skip
        return State({"targets": told})

    def load_state(self, state: State) -> None:
        """Restore what ``state`` returned."""
        self.parts, self._targets = {}, {}
        for told in state.values["targets"]:
            part: Task = TASKS.load(told["task"])()
            part.load_state(State(told["state"]))
            self.parts[told["target"]] = part
            self._targets[told["target"]] = (tuple(told["shape"]), np.dtype(told["dtype"]))

    def _tune(self, predictions: Floats, encoded: Floats) -> Several:
        found = self.by_target(predictions, encoded)
        tuned = {
            name: part.tune(*found[name][1:]) if isinstance(part, Tunes) and name in found else part
            for name, part in self.parts.items()
        }
        several = Several(tuned)
        several._targets = self._targets
        return several

    @property
    def _out_dims(self) -> list[int]:
        return [part.out_dim for part in self.parts.values()]

    def _width(self, name: str) -> int:
        return math.prod(self._targets[name][0])

    def own_targets(self, encoded: NDArray[Any]) -> dict[str, tuple[NDArray[np.intp], NDArray[Any]]]:
        """Return by column the rows with the target, and the target as its task encodes it or takes it for metrics."""
        if encoded.dtype == object:
            return {name: _own_references(part, name, encoded) for name, part in self.parts.items()}
        blocks = np.split(encoded, np.cumsum([self._width(name) for name in self.parts])[:-1], axis=1)
        found = {}
        for name, block in zip(self.parts, blocks, strict=True):
            rows = np.flatnonzero(~np.isnan(block).any(axis=1))
            found[name] = (rows, self._typed(name, torch.from_numpy(block[rows])).numpy())
        return found

    def _typed(self, name: str, block: Tensor) -> Tensor:
        """Return a block of targets (B, width) in the shape and dtype of its task's encoding."""
        shape, dtype = self._targets[name]
        return block.reshape(len(block), *shape).to(torch.from_numpy(np.zeros(0, dtype)).dtype)


def _cell(target: Any, name: str) -> Any:
    """Return a row's cell in a column; None for a row without any target."""
    return None if target is None else target[name]


def _is_there(part: Task, value: Any) -> bool:
    return value is not None or part.known(value)


def _own_references(part: Task, name: str, targets: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the rows that a part can measure, and their targets in the form that its metrics take."""
    rows = np.array([row for row, target in enumerate(targets) if measures(part, _cell(target, name))], np.intp)
    own = [_cell(targets[row], name) for row in rows]
    references = part.references if isinstance(part, HasReferences) else part.encode
    return rows, references(own) if own else np.zeros(0)
