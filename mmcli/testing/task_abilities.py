"""Checks that the abilities a task has of ``mmcli.tasks.abilities`` work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcli.errors import MmcliError
from mmcli.tasks import Task, abilities, number_of

Floats = NDArray[np.float64]
_UNSEEN = "a class of no train row"


@dataclass(frozen=True)
class _Rows:
    """Train rows of a task, with outputs, predictions, and the references that metrics compare them with."""

    targets: Sequence[Any]
    encoded: NDArray[Any]
    outputs: Tensor | None
    predictions: Floats
    wanted: NDArray[Any]


def check_abilities(
    task: Task, targets: Sequence[Any], encoded: NDArray[Any], predictions: Floats, outputs: Tensor | None = None
) -> None:
    """Check that the abilities of a fitted task, and of its parts, work.

    Args:
        task: Fitted to the targets; it is unchanged afterwards.
        targets: As ``decode`` returns them.
        encoded: The encoded targets.
        predictions: Any predictions for these rows.
        outputs: The input of the loss; None if unknown.

    Raises:
        AssertionError: An ability does not work.
    """
    wanted = task.references(targets) if isinstance(task, abilities.HasReferences) else encoded
    rows = _Rows(targets, encoded, outputs, predictions, wanted)
    for ability, check in CHECKS.items():
        if isinstance(task, ability):
            check(deepcopy(task), rows)


def _parts(task: Any, rows: _Rows) -> None:
    names = set(task.parts)
    assert names, "it has no parts"
    assert set(task.counts(rows.encoded)) == set(task.own_targets(rows.encoded)) == names, "parts are left out"
    own = task.own_predictions(rows.predictions)
    assert {name: len(each) for name, each in own.items()} == dict.fromkeys(names, len(rows.predictions)), (
        "a part lacks predictions"
    )
    assert all(map(task.measures, rows.targets)), "it does not measure a train row"
    assert not any(map(task.unknown, rows.targets)), "a class of a train row is unknown to it"
    for name, (part, predictions, encoded) in task.by_target(rows.predictions, rows.encoded).items():
        assert part is task.parts[name], "the tasks by target are not its parts"
        assert len(predictions) == len(encoded) == task.counts(rows.encoded)[name], "rows are left out"
        check_abilities(part, part.decode(encoded), encoded, predictions)


def _has_scores(task: Any, rows: _Rows) -> None:
    names, scores, main = task.score_names(), task.scores(rows.predictions), task.main_scores(rows.predictions)
    assert len(set(names)) == len(names), "two scores have one name"
    assert scores.shape == (len(rows.predictions), len(names)), "it does not have a score per name in each row"
    assert main.shape == (len(rows.predictions),), "it does not say which score each answer is about"
    assert ((main >= 0) & (main < len(names))).all(), "an answer is about a score that is not there"
    assert np.isfinite(scores).all(), "a score is not finite"


def _tunes(task: Any, rows: _Rows) -> None:
    before = task.state().digest()
    tuned = task.tune(rows.predictions, rows.encoded)
    assert type(tuned) is type(task), "tune returns another type of task"
    assert task.state().digest() == before, "tune changes the task itself"
    assert np.array_equal(tuned.encode(rows.targets), rows.encoded), "the tuned task encodes differently"


def _encodes_classes(task: Any, rows: _Rows) -> None:
    if task.encodes_classes:
        _require_indexes(rows.encoded, len(rows.targets), task.out_dim)


def _skips_unknown(task: Any, rows: _Rows) -> None:
    if task.fault(_UNSEEN) is not None:
        return
    assert abilities.measures(task, _UNSEEN), "it does not measure an unseen class"
    found = task.metrics(rows.predictions, rows.wanted)
    wanted = task.references([*rows.targets, _UNSEEN])
    more = task.metrics(np.concatenate([rows.predictions, rows.predictions[:1]]), wanted)
    _require_finite(more)
    for name in task.skipped_if_unseen:
        assert more.get(name) == found.get(name), f"{name} does not ignore a row of an unseen class"


def _finds_unseen(task: Any, rows: _Rows) -> None:
    assert list(task.unseen(rows.targets)) == [], "a part of a train row counts as unseen"


def _reads_numbers(task: Any, rows: _Rows) -> None:
    assert not task.reads_numbers or None not in map(number_of, rows.targets), "a target is not a number"


def _takes_empty(task: Any, _: _Rows) -> None:
    task.take_empty()
    assert task.known(None), "it does not accept an empty cell"
    assert len(task.encode([None])) == 1


def _has_positive(task: Any, rows: _Rows) -> None:
    classes = list(dict.fromkeys(rows.targets))
    if len(classes) != 2:
        assert task.positive is None, "it has a positive class without having two classes"
        assert _refuses(lambda: task.take_positive(classes[0])), (
            "it accepts a positive class without having two classes"
        )
        return
    assert task.positive in classes, "the positive class is not one of its classes"
    assert _refuses(lambda: task.take_positive(_UNSEEN)), "it accepts an unknown positive class"
    for label in classes:
        task.take_positive(label)
        assert task.positive == label, "it does not accept another positive class"


def _learns_numbers(task: Any, rows: _Rows) -> None:
    assert task.link == "identity", "its outputs are not numbers"
    assert len(task.levels) in (0, task.out_dim), "it does not have as many levels as outputs"
    assert all(0 < level < 1 for level in task.levels), "a level is not a quantile"
    said = task.predictions(torch.from_numpy(task.wanted(rows.encoded)))
    assert np.allclose(said, rows.encoded[:, None]), "the outputs wanted for a target do not predict it"


def _writes(task: Any, rows: _Rows) -> None:
    assert task.link == "tokens", "its outputs are not tokens"
    assert rows.outputs is not None
    encoded = torch.from_numpy(rows.encoded)
    sums = task.taught_sums(rows.outputs, encoded)
    twice = task.taught_sums(torch.cat([rows.outputs] * 2), torch.cat([encoded] * 2))
    assert torch.allclose(2 * sums, twice), "the sums of two batches do not add up"
    values = task.taught_values(sums)
    _require_finite(values)
    assert task.monitor in values, "the training values lack its monitor"


def _compares_modalities(task: Any, _: _Rows) -> None:
    assert _refuses(lambda: task.take_modalities(["image"])), "it accepts a single modality"


def _has_references(task: Any, rows: _Rows) -> None:
    assert rows.wanted.shape[0] == len(rows.targets), "it does not have one reference per row"
    assert set(task.metrics(rows.predictions, rows.wanted)) >= set(task.metrics(rows.predictions, rows.encoded))
    _require_finite(*task.baselines(rows.wanted).values())


def _draws_metrics(task: Any, rows: _Rows) -> None:
    drawn = task.metrics_of_draws(rows.predictions, rows.wanted, np.ones((2, len(rows.targets)), np.int64))
    found = task.metrics(rows.predictions, rows.wanted)
    assert drawn, "there are no metrics of draws"
    for name, values in drawn.items():
        assert np.allclose(values, [found.get(name, np.nan)] * 2, equal_nan=True), (
            f"{name} differs for a draw of all rows"
        )


def _merges_rows(task: Any, rows: _Rows) -> None:
    count = len(rows.targets)
    kept, targets = task.merged(rows.predictions, rows.targets, [None] * count)
    assert kept.tolist() == list(range(len(targets))) == list(range(count)), "rows without a group are merged"
    alike = np.repeat(rows.predictions[:1], count, axis=0)
    kept, targets = task.merged(alike, rows.targets, ["group"] * count)
    assert (kept.tolist(), len(targets)) == ([0], 1), "rows with the same group and prediction are not merged"


def _has_tables(task: Any, rows: _Rows) -> None:
    tables = task.tables(rows.predictions, rows.wanted)
    assert tables, "there are no tables"
    json.dumps(tables, allow_nan=False)


def _scores_classes(task: Any, rows: _Rows) -> None:
    scores = task.by_class(rows.predictions, rows.wanted)
    json.dumps(scores, allow_nan=False)
    if not isinstance(task, abilities.HasParts):
        assert scores, "there are no classes"
        assert all({"precision", "recall", "f1", "rows"} <= set(each) for each in scores.values()), "scores are missing"


def _gives_probabilities(task: Any, rows: _Rows) -> None:
    names, has = task.truths(rows.wanted)
    assert has.dtype == bool, "whether a row has a class must be booleans"
    assert has.shape == rows.predictions.shape == (len(rows.targets), len(names)), "not one column per class"
    assert has.any(axis=1).any(), "no row has a class"


def _predicts_sets(task: Any, rows: _Rows) -> None:
    count = len(rows.targets)
    scores = task.conformal_scores(rows.predictions, rows.wanted)
    assert scores.shape == (count,), "it does not have one score per row"
    sizes, previous = [], -np.inf
    for level in (float(np.median(scores)), float(scores.max()), np.inf):
        levels = np.full(count, level)
        covered = task.covered(rows.predictions, rows.wanted, levels)
        assert covered[scores < level].all(), "a target that fits up to a level is not in its set"
        records = task.set_records(rows.predictions, levels)
        json.dumps(records, allow_nan=False)
        assert len(records) == count, "it does not have one set per row"
        sizes.append(task.set_sizes(rows.predictions, levels))
        assert (sizes[-1] >= previous).all(), "a set shrinks as the level rises"
        previous = sizes[-1]
    assert covered.all(), "a target is not in the set of an infinite level"
    assert task.set_measure in ("size", "width"), "its sets have neither a size nor a width"
    for own in task.rows_by_class(rows.wanted).values():
        assert own.shape == (count,), "it does not say of each row whether it has a class"
        assert own.any(), "it names a class that no row has"


def _abstains(task: Any, rows: _Rows) -> None:
    confidence = task.confidence(rows.predictions)
    assert confidence.shape == (len(rows.targets),), "it does not have one confidence per row"
    assert ((confidence >= 0) & (confidence <= 1)).all(), "a confidence is not a probability"
    assert "accuracy" in task.row_scores(rows.predictions, rows.wanted), "row_scores lack accuracy"
    (record, *_) = task.records(rows.predictions, np.ones(len(rows.targets), bool))
    assert set(task.withheld(record)) == set(record), "a withheld record has other keys"
    assert task.withheld(record) != record, "a withheld record still has its class"


def _has_baselines_beside(task: Any, rows: _Rows) -> None:
    found = task.baselines_beside(rows.predictions, rows.wanted)
    assert set(found) == set(task.baselines(rows.wanted)), "their names differ from those of its baselines"
    _require_finite(*found.values())


def _has_meaning(task: Any, _: _Rows) -> None:
    other = type(task)()
    other.load_state(task.state())
    assert other.meaning() == task.meaning(), "restored from its state, its predictions have another meaning"


def _has_outcomes(task: Any, _: _Rows) -> None:
    names = task.outcomes()
    assert len(set(names)) == len(names) > 0, "it predicts no names, or one of them twice"


def _has_examples(task: Any, rows: _Rows) -> None:
    records = task.records(rows.predictions, np.ones(len(rows.targets), bool))
    for record, target in zip(records, rows.targets, strict=True):
        text, true = task.example(record, target)
        assert text is None or isinstance(text, str), "the prediction is not a text"
        assert true, "nothing is right"


CHECKS: dict[type, Callable[[Any, _Rows], None]] = {
    abilities.HasParts: _parts,
    abilities.Tunes: _tunes,
    abilities.EncodesClasses: _encodes_classes,
    abilities.HasReferences: _has_references,
    abilities.SkipsUnknown: _skips_unknown,
    abilities.FindsUnseen: _finds_unseen,
    abilities.ReadsNumbers: _reads_numbers,
    abilities.TakesEmpty: _takes_empty,
    abilities.HasPositive: _has_positive,
    abilities.LearnsNumbers: _learns_numbers,
    abilities.Writes: _writes,
    abilities.ComparesModalities: _compares_modalities,
    abilities.DrawsMetrics: _draws_metrics,
    abilities.MergesRows: _merges_rows,
    abilities.HasTables: _has_tables,
    abilities.ScoresClasses: _scores_classes,
    abilities.GivesProbabilities: _gives_probabilities,
    abilities.PredictsSets: _predicts_sets,
    abilities.Abstains: _abstains,
    abilities.HasBaselinesBeside: _has_baselines_beside,
    abilities.HasMeaning: _has_meaning,
    abilities.HasOutcomes: _has_outcomes,
    abilities.HasExamples: _has_examples,
    abilities.HasScores: _has_scores,
}
"""The check of each ability, in order of dependence."""


def _require_indexes(found: NDArray[Any], rows: int, classes: int) -> None:
    assert found.shape == (rows,), "it does not give one index per row"
    assert np.issubdtype(found.dtype, np.integer), "class indexes must be integers"
    assert ((found >= 0) & (found < classes)).all(), "an index is out of range"


def _require_finite(*found: dict[str, float]) -> None:
    assert all(np.isfinite(value) for values in found for value in values.values()), "a value is not finite"


def _refuses(call: Callable[[], object]) -> bool:
    try:
        call()
    except MmcliError:
        return True
    return False
