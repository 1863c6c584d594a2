"""Permutation importance: by how much a model measures worse when one of its inputs is shuffled among the rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.evaluation.intervals import draw_metrics, interval
from mmcli.explanation.input_chain import InputChain, replace_vectors, take_vectors
from mmcli.inference.collected import Answers
from mmcli.inference.figures import draws_of, main_metric
from mmcli.inference.inputs import Asked
from mmcli.inference.model import TrainedModel, Vectors
from mmcli.modalities import Media
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, Dense, Row, concatenate
from mmcli.tasks import mode_of

if TYPE_CHECKING:
    from torch import Tensor

REPEATS = 5
_TABLE = "table"
_AT_ONCE = 256
Predict = Callable[[Array], Array]
"""Returns the predictions when an input of each row is that of the row with this number, (N,)."""


@dataclass
class KeptInputs:
    """What a model makes of the inputs of rows, kept as the rows are measured."""

    rows: list[Row] = field(default_factory=list)
    parts: list[Vectors] = field(default_factory=list)
    media: Media | None = None

    def add(self, asked: Asked, vectors: Vectors) -> None:
        """Keep some rows."""
        self.rows += asked.batch.rows
        self.parts.append(vectors)
        self.media = asked.media

    def vectors(self) -> Vectors:
        """Return the fusion's inputs of all rows."""
        names = self.parts[0].values
        return Vectors(
            {name: _joined([part.values[name] for part in self.parts]) for name in names},
            {name: np.concatenate([part.present[name] for part in self.parts]) for name in names},
        )


def _joined(parts: Sequence[Any]) -> Tensor | list[Tensor]:
    import torch

    return [row for part in parts for row in part] if isinstance(parts[0], list) else torch.cat(list(parts))


class Importance:
    """Shuffles the inputs of measured rows, one at a time.

    Args:
        model: The model.
        kept: What it made of the rows.
        answers: Its predictions and the targets.
        keep: The source modalities to use; () means all.
        seed: Of the permutations, and of the draws of intervals.
        runtime: Where to compute.
        repeats: How often each input is shuffled, at least 1.

    Source: Breiman 2001, Random Forests, section 10; for any model, Fisher et al. 2019, All Models are Wrong, but Many
    are Useful.
    """

    def __init__(
        self, model: TrainedModel, kept: KeptInputs, answers: Answers, keep: Collection[str], seed: int,
        runtime: Runtime, repeats: int = REPEATS,
    ) -> None:  # fmt: skip
        self.model = model
        self.kept = kept
        self.answers = answers
        self.keep = sorted(keep) or model.sources
        self.seed = seed
        self.runtime = runtime
        self.repeats = repeats
        self._vectors = kept.vectors()

    def measure(self, reporter: Reporter) -> dict[str, Any]:
        """Return what ``metrics.json`` holds as ``importance``; nothing where the main metric is undefined."""
        task = self.model.task
        metrics = task.metrics(self.answers.predictions, self.answers.wanted)
        metric = main_metric(task, metrics)
        if metric is None:
            return {}
        sign = 1.0 if mode_of(task, metric) == "max" else -1.0
        found: dict[str, Any] = {"metric": metric, "value": metrics[metric], "repeats": self.repeats}
        inputs = list(self._inputs())
        with reporter.progress("shuffled inputs", len(inputs)) as progress:
            for level, name, predict in inputs:
                predictions = [predict(order)[self.answers.rows] for order in self._orders(len(self.kept.rows))]
                measured = [task.metrics(each, self.answers.wanted).get(metric) for each in predictions]
                if None not in measured:
                    drops = sign * (metrics[metric] - np.array(measured, np.float64))
                    own: dict[str, Any] = {"drop": float(drops.mean()), "std": float(drops.std())}
                    low_high = interval(sign * self._drawn_drops(predictions, metric))
                    _put(found, level, name, own if low_high is None else {**own, "interval": low_high})
                progress.advance()
        return found

    def _orders(self, rows: int) -> Iterator[Array]:
        for repeat in range(self.repeats):
            yield np.random.default_rng([self.seed, repeat]).permutation(rows)

    def _drawn_drops(self, predictions: Sequence[Array], metric: str) -> Array:
        """Return the fall of a metric, a mean over predictions, in draws of rows; none if it cannot be resampled."""
        task, answers = self.model.task, self.answers
        every = (answers.predictions, *predictions)
        scores = _fall(task.row_scores(each, answers.wanted).get(metric) for each in every)
        if scores is not None and np.isfinite(scores).all():  # much faster than all metrics of every draw
            return draw_metrics(
                lambda counts: {metric: counts @ scores / counts.sum(axis=1)}, len(scores), answers.groups,
                seed=self.seed,
            )[metric]  # fmt: skip
        drawn = _fall(draws_of(task, each, answers.wanted, self.seed, answers.groups).get(metric) for each in every)
        return np.zeros(0) if drawn is None else drawn

    def _inputs(self) -> Iterator[tuple[str, tuple[str, ...], Predict]]:
        """Yield each input with its level and name: modalities, the features of several extractors, table columns."""
        sources = self.model.source_of
        of = {source: [name for name in self.model.names if sources[name] == source] for source in self.keep}
        for source, names in of.items():
            yield "modalities", (source,), self._shuffled(names)
        for names in of.values():
            for name in names if len(names) > 1 else ():
                yield "extractors", (name,), self._shuffled([name])
        yield from self._columns()

    def _shuffled(self, names: Sequence[str]) -> Predict:
        def predict(order: Array) -> Array:
            return self._predictions(replace_vectors(self._vectors, take_vectors(self._vectors, order), names))

        return predict

    def _predictions(self, vectors: Vectors) -> Array:
        return self.model.outputs(vectors, self.keep)[0]

    def _columns(self) -> Iterator[tuple[str, tuple[str, ...], Predict]]:
        if self.kept.media is None:
            return
        inputs = InputChain(self.model, self.kept.media, kinds=(_TABLE,))
        tables = [name for name in self.keep if name in inputs.specs and inputs.specs[name].kind == _TABLE]
        if not tables:
            return
        blocks = [self.kept.rows[start : start + _AT_ONCE] for start in range(0, len(self.kept.rows), _AT_ONCE)]
        decoded = [inputs.decode(block, self.runtime) for block in blocks]
        for table in tables:
            column = concatenate([each[table] for each in decoded])
            facts = inputs.specs[table].facts
            for place, name in enumerate(facts["numeric"]):
                cells = {"": [place, len(facts["numeric"]) + place]}  # a number and whether it is missing
                yield "columns", (table, name), self._shuffled_cells(inputs, table, column, cells)
            for place, name in enumerate(facts["categorical"]):
                yield "columns", (table, name), self._shuffled_cells(inputs, table, column, {"categories": [place]})

    def _shuffled_cells(
        self, inputs: InputChain, table: str, column: Column, cells: Mapping[str, list[int]]
    ) -> Predict:
        """Shuffle cells among the rows that have the table; ``cells`` are their places by field."""
        names = inputs.features_of(table)

        def predict(order: Array) -> Array:
            there = column.present
            fields = dict(column.fields)
            for field_name, places in cells.items():
                values = np.array(fields[field_name].values)
                rows = order[there[order]]  # the rows with the table, in the permutation's order
                for place in places:
                    values[there, place] = values[rows, place]
                fields[field_name] = Dense(values)
            changed = Column(fields, there, column.key)
            parts = [
                inputs.vectors(table, changed.take(np.arange(start, min(start + _AT_ONCE, len(there)))), self.runtime)
                for start in range(0, len(there), _AT_ONCE)
            ]
            own = KeptInputs(parts=parts).vectors()
            own = Vectors(own.values, {name: own.present[name] & self._vectors.present[name] for name in own.present})
            return self._predictions(replace_vectors(self._vectors, own, names))

        return predict


def _fall(values: Iterable[Array | None]) -> Array | None:
    """Return the first values less the mean of all others; None if any are undefined."""
    known = list(values)
    there = [each for each in known if each is not None]
    found: Array | None = there[0] - np.mean(there[1:], axis=0) if len(there) == len(known) else None
    return found


def _put(found: dict[str, Any], level: str, name: tuple[str, ...], value: Mapping[str, Any]) -> None:
    place = found.setdefault(level, {})
    for part in name[:-1]:
        place = place.setdefault(part, {})
    place[name[-1]] = value
