"""Collects predictions for rows with known targets and measures them, with all modalities and with fewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.evaluation.intervals import intervals
from mmcli.evaluation.subsets import subset_name, subsets
from mmcli.inference.collected import Answers, Collected
from mmcli.inference.figures import baselines_of, best_single_of, draws_of, groups_of, shapley_of, wanted_of
from mmcli.inference.inputs import Asked
from mmcli.inference.kept_rows import KeptRows
from mmcli.inference.model import TrainedModel, Vectors
from mmcli.inference.predictions import prediction
from mmcli.inference.uncertainty import Uncertainty
from mmcli.inference.uncertainty_figures import coverage_of, selective_of
from mmcli.runtime import Runtime
from mmcli.store.artifact import Roles
from mmcli.store.columns import Array, Row
from mmcli.store.rows import RowLines
from mmcli.tasks.abilities import (
    FindsUnseen,
    HasMeaning,
    HasParts,
    HasTables,
    MergesRows,
    ScoresClasses,
    SkipsUnknown,
    measures,
    parts_of,
)
from mmcli.tasks.targets import (
    TargetSource,
    continuous_columns,
    number_columns,
    odd_cells,
    positives_of,
    shown_target,
    unknown_classes,
)

Receiver = Callable[[Asked, Vectors], None]
"""Receives rows, and the fusion's inputs made of them."""
_ABSENT = object()
"""Stands in a row for the cell of a column that it lacks."""


class Measuring:
    """Collects a model's predictions and measures them; ``draws`` are the resampled metrics, once measured.

    Args:
        model: Its task defines the metrics.
        keep: The source modalities to use; () means all.
        name: The name of the rows' source in messages.
        target: The column with the targets; None means the one that the model learnt.
        by: Columns by whose values the rows are also measured.
        parts: The subsets of modalities that are also measured; None is all of ``subsets``.
        uncertainty: What to say about how sure the model is; None for nothing.
        kept: Keeps what a page shows of the rows; None keeps nothing.
        receiver: Also receives the rows that are measured, and the fusion's inputs made of them.

    Raises:
        UsageError: ``target`` is given for a model with several targets or without a target column.
    """

    def __init__(
        self, model: TrainedModel, keep: Collection[str], name: str, target: str | None = None, by: Sequence[str] = (),
        parts: Sequence[tuple[str, ...]] | None = None,
        uncertainty: Uncertainty | None = None,
        kept: KeptRows | None = None,
        receiver: Receiver | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.keep = keep
        self.kept = kept
        self._uncertainty = uncertainty
        self.predictions = RowLines()
        self.draws: Mapping[str, Array] = {}
        roles = _roles(model, target)
        self._target = TargetSource(
            model.task_target, roles, name, numeric=number_columns(model.task, roles.targets),
            continuous=continuous_columns(model.task, roles.targets),
            empties=roles.empty_target == "none",
        )  # fmt: skip
        self._receiver = receiver
        self._required = target is not None
        self._columns: list[str] = []
        self._subsets = subsets(model.sources, whole=bool(keep)) if parts is None else parts
        self._found = Collected(
            parts={subset_name(part): [] for part in self._subsets}, cells={column: [] for column in by}
        )

    @property
    def without_target(self) -> int:
        """The number of rows without a target, which are not measured."""
        return self._found.without_target

    @property
    def odd(self) -> Counter[str]:
        """The cells in columns of numbers that are not numbers, and therefore not targets."""
        return self._found.odd

    @property
    def unknown_targets(self) -> int:
        """The number of rows with a class that no train row has."""
        return self._found.unknown_targets

    @property
    def unknown(self) -> Counter[str]:
        """The classes that no train row has, with their numbers of rows; no prediction can be right there."""
        return self._found.unknown

    @property
    def skipped_if_unseen(self) -> list[str]:
        """The metrics that ignore rows with such classes."""
        parts = [part for part in parts_of(self.model.task).values() if isinstance(part, SkipsUnknown)]
        return list(dict.fromkeys(name for part in parts for name in part.skipped_if_unseen))

    @property
    def unseen(self) -> list[str]:
        """The labels that the model was not trained on, once per occurrence."""
        return self._found.unseen

    def __len__(self) -> int:
        return len(self._found.targets)

    def add(self, asked: Asked, runtime: Runtime) -> None:
        """Predict rows.

        Raises:
            MmcliError: A target is missing or invalid for the task.
        """
        found, model = self._found, self.model
        targets = [self._target_of(identity, row) for identity, row in zip(asked.ids, asked.batch.rows, strict=True)]
        chosen = [number for number, value in enumerate(targets) if self._is_measured(value)]
        if len(chosen) < len(targets):
            found.without_target += len(targets) - len(chosen)
            asked, targets = asked.take(chosen), [targets[number] for number in chosen]
        if not targets:
            return
        unknown = [unknown_classes(model.task, value) for value in targets]
        found.unknown_targets += sum(map(bool, unknown))
        found.unknown.update(name for names in unknown for name in names)
        vectors = model.vectors(asked.batch.columns, runtime)
        if self._receiver is not None:
            self._receiver(asked, vectors)
        whole, known = model.outputs(vectors, self.keep or None)
        found.targets += targets
        self._columns = list(asked.batch.rows[0])
        group = model.artifact.roles.group
        found.groups += [None if group is None else row.get(group) for row in asked.batch.rows]
        for column, cells in found.cells.items():
            cells += [row.get(column, _ABSENT) for row in asked.batch.rows]
        found.unseen += model.task.unseen(targets) if isinstance(model.task, FindsUnseen) else []
        if self.kept is not None:
            self.kept.add(asked, vectors)
        found.whole.append(whole)
        found.known.append(known)
        for part in self._subsets:
            found.parts[subset_name(part)].append(model.outputs(vectors, part)[0])
        records = model.task.records(whole, known)
        if self._uncertainty is not None:
            self._uncertainty.add(records, model.task, whole, known)
        for number, problems in enumerate(asked.problems(model.sources)):
            predicted = prediction(asked.ids[number], records[number], problems, model.sources, self.keep)
            self.predictions.append({**predicted, "target": shown_target(model.task, targets[number])})

    @property
    def meaning(self) -> Any:
        """What the model's predictions mean, or None; models with equal meanings can be measured together."""
        return self.model.task.meaning() if isinstance(self.model.task, HasMeaning) else None

    def extend(self, other: Measuring) -> None:
        """Add the predictions of another model of the same task for other rows."""
        mine, theirs = self._found, other._found
        mine.targets += theirs.targets
        mine.groups += theirs.groups
        for column, cells in theirs.cells.items():
            mine.cells[column] += cells
        mine.known += theirs.known
        mine.whole += theirs.whole
        for name, parts in theirs.parts.items():
            mine.parts[name] += parts
        mine.without_target += theirs.without_target
        mine.odd.update(theirs.odd)
        mine.unknown.update(theirs.unknown)
        mine.unknown_targets += theirs.unknown_targets
        mine.unseen += theirs.unseen
        self.predictions.lines += other.predictions.lines

    def _target_of(self, identity: str, row: Row) -> Any:
        columns = ", ".join(map(repr, self._target.roles.targets))
        there = self._target.is_in(row)
        if not there and (self._target.kind == "column" or self._required):
            raise MmcliError(f"sample {identity!r}: no target (column {columns}) to compare the prediction with")
        value = self._target.of(row) if there else None
        self._found.odd.update(odd_cells(self._target.continuous, row))
        fault = None if value is None and self._target.kind == "column" else self.model.task.fault(value)
        if fault is not None:
            raise MmcliError(f"sample {identity!r}: its target (column {columns}) is {value!r}, expected {fault}")
        return value

    def _is_measured(self, target: Any) -> bool:
        return measures(self.model.task, target)

    def answers(self) -> Answers:
        """Return the predictions and targets of all samples; several rows can be one sample."""
        found, task = self._found, self.model.task
        whole = np.concatenate(found.whole)
        rows, targets = np.arange(len(found.targets)), found.targets
        if isinstance(task, MergesRows):
            rows, targets = task.merged(whole, found.targets, found.groups)
        groups = None
        if self.model.artifact.roles.group is not None:
            groups = [found.groups[row] for row in rows.tolist()]
        return Answers(rows, whole[rows], targets, wanted_of(task, targets), groups)

    def measure(self, split: str, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the content of ``metrics.json``, and tables by name."""
        found, task = self._found, self.model.task
        answers = self.answers()
        rows, whole, wanted = answers.rows, answers.predictions, answers.wanted
        known = np.concatenate(found.known)[rows]
        self.draws = draws_of(task, whole, wanted, seed, answers.groups)
        metrics = {
            "task": self.model.artifact.header["task"],
            "split": split,
            "n": len(rows),
            "without_target": found.without_target,
            "unknown_targets": found.unknown_targets,
            **({"skipped_of_unknown": self.skipped_if_unseen} if found.unknown else {}),
            **({"unknown_labels": len(found.unseen)} if isinstance(task, FindsUnseen) else {}),
            **({"n_by_target": task.counts(wanted)} if isinstance(task, HasParts) else {}),
            **({"modalities": sorted(self.keep)} if self.keep else {}),
            **positives_of(task),
            "without_modalities": int((~np.concatenate(found.known)).sum()),
            "metrics": task.metrics(whole, wanted),
            **({"classes": task.by_class(whole, wanted)} if isinstance(task, ScoresClasses) else {}),
            "intervals": intervals(self.draws),
            "baselines": baselines_of(task, whole, wanted),
            **self._by_group(rows, whole, wanted, seed),
            **self._coverage(answers, known, seed),
            "subsets": {
                name: measured
                for name, parts in found.parts.items()
                if (measured := task.metrics(np.concatenate(parts)[rows], wanted))
            },
        }
        parts = () if self.keep else self._subsets
        given = {part: np.concatenate(found.parts[subset_name(part)])[rows] for part in parts}
        singles = {part[0]: own for part, own in given.items() if len(part) == 1}
        metrics |= best_single_of(task, wanted, whole, singles, seed, answers.groups)
        if shapley := shapley_of(task, wanted, whole, given, sorted(self.model.sources), seed, answers.groups):
            metrics["shapley"] = shapley
        tables = task.tables(whole, wanted) if isinstance(task, HasTables) else {}
        below = None if self._uncertainty is None else self._uncertainty.abstain_below
        return metrics, tables | selective_of(task, whole, known, wanted, below)

    def _coverage(self, answers: Answers, known: Array, seed: int) -> dict[str, Any]:
        """Return how often sets hold the truth, if they are asked for."""
        if self._uncertainty is None or not self._uncertainty.levels:
            return {}
        found = coverage_of(
            self._uncertainty, self.model.task, answers.predictions, known, answers.wanted, answers.groups, seed
        )
        return {"coverage": found}

    def _by_group(self, rows: Array, whole: Array, wanted: Array, seed: int) -> dict[str, Any]:
        """Return the metrics by the values of columns, if any are asked for.

        Raises:
            UsageError: No row has the column, or it has too many values.
        """
        if not self._found.cells:
            return {}
        columns: dict[str, list[Any]] = {}
        for column, cells in self._found.cells.items():
            if all(cell is _ABSENT for cell in cells):
                raise unknown_name("column in --by", column, self._columns)
            columns[column] = [None if cells[row] is _ABSENT else cells[row] for row in rows.tolist()]
        return {"groups": groups_of(self.model.task, whole, wanted, columns, seed)}


def _roles(model: TrainedModel, target: str | None) -> Roles:
    """Return the model's roles, with another column of targets if one is named."""
    roles = model.artifact.roles
    if target is None:
        return roles
    if model.task_target == "group" or len(roles.targets) > 1:
        raise UsageError(f"--target {target}: only for models with one target column; this one has several or none")
    return replace(roles, target=target)
