"""Conformal sets and intervals of every task, against loops over rows and classes, and their coverage."""

import math

import numpy as np
import pytest
import torch

from mmcli.evaluation.conformal import level_of
from mmcli.tasks.classification import Classification
from mmcli.tasks.multilabel import Multilabel
from mmcli.tasks.ordinal import Ordinal
from mmcli.tasks.regression import Regression

LEVELS = [0.0, 0.2, 0.5, 0.85, 1.0]


def classes_of(kind, count=6, rows=150, seed=0, scale=1.5):
    """Return a task of classes, probabilities, and classes drawn from them."""
    random = np.random.default_rng(seed)
    task = kind()
    task.fit([str(place) for place in range(count)])
    logits = random.normal(size=(rows, count)) * scale
    probabilities = task.predictions(torch.from_numpy(logits))
    return task, probabilities, (logits + random.gumbel(size=logits.shape)).argmax(axis=1)


def ordered_set(row, first, level):
    """Return the classes up to a level by growing an interval from one class, one class at a time."""
    low = high = first
    held, mass = {first}, row[first]
    while len(held) < len(row) and mass <= level:
        below, above = (row[low - 1] if low else -1), (row[high + 1] if high + 1 < len(row) else -1)
        low, high = (low - 1, high) if below >= above else (low, high + 1)
        mass += max(below, above)
        held = set(range(low, high + 1))
    return held


@pytest.mark.parametrize("level", LEVELS)
def test_a_set_of_classes_has_the_likely_ones_and_the_predicted_one(level):
    task, probabilities, _ = classes_of(Classification)
    levels = np.full(len(probabilities), level)
    found = [own["set"] for own in task.set_records(probabilities, levels)]
    for row, held in zip(probabilities, found, strict=True):
        assert held == [str(k) for k in range(6) if 1 - row[k] <= level or k == row.argmax()]
    assert task.set_sizes(probabilities, levels).tolist() == list(map(len, found))


@pytest.mark.parametrize("level", LEVELS)
def test_a_set_of_ordered_classes_grows_from_the_predicted_one_to_the_likelier_side(level):
    task, probabilities, _ = classes_of(Ordinal)
    decided = task.decide(probabilities)
    found = task.set_records(probabilities, np.full(len(probabilities), level))
    for row, first, own in zip(probabilities, decided, found, strict=True):
        assert own["set"] == [str(k) for k in sorted(ordered_set(row, first, level))]


def test_a_set_of_labels_has_the_likely_ones_and_the_predicted_ones():
    task, probabilities, truth = labels_of()
    levels = np.linspace(0, 1, len(truth))
    found = task.set_records(probabilities, levels)
    for row, level, own in zip(probabilities, levels, found, strict=True):
        assert own["set"] == [task.labels[k] for k in range(4) if 1 - row[k] <= level or row[k] >= 0.5]
    covered = task.covered(probabilities, truth, levels)
    for own, there, row in zip(found, covered, task.decode(truth), strict=True):
        assert there == (set(row) <= set(own["set"]))


def labels_of(rows=200, seed=0):
    random = np.random.default_rng(seed)
    task = Multilabel()
    task.fit(["a|b", "c|d", "|"])
    logits = random.normal(-0.5, 1.5, size=(rows, 4))
    probabilities = task.predictions(torch.from_numpy(logits))
    return task, probabilities, (random.random(logits.shape) < probabilities).astype(np.uint8)


def numbers_of(rows=200, seed=0, **options):
    """Return a task of numbers above 0, predictions, and numbers that scatter about them."""
    random = np.random.default_rng(seed)
    task = Regression(**options)
    task.fit(np.exp(random.normal(size=500)).tolist())
    outputs = random.normal(size=(rows, 1)) + np.linspace(-0.4, 0.4, task.out_dim) * (task.out_dim > 1)
    predictions = task.predictions(torch.from_numpy(outputs))
    middle = predictions[:, predictions.shape[1] // 2]
    noise = random.normal(0, 0.5, rows)
    return task, predictions, middle * np.exp(noise) if task.log else middle + noise


@pytest.mark.parametrize("level", [0.1, 0.7, math.inf])
def test_an_interval_of_numbers_reaches_as_far_as_the_level(level):
    task, predictions, truth = numbers_of()
    levels = np.full(len(truth), level)
    for (value,), own in zip(predictions, task.set_records(predictions, levels), strict=True):
        ends = [None, None] if level == math.inf else pytest.approx([value - level, value + level])
        assert [own["interval_low"], own["interval_high"]] == ends
    expected = [abs(true - value) <= level for true, (value,) in zip(truth, predictions, strict=True)]
    assert task.covered(predictions, truth, levels).tolist() == expected
    assert task.set_sizes(predictions, levels) == pytest.approx(np.full(len(truth), 2 * level))


def test_an_interval_of_logarithms_is_a_factor():
    task, predictions, truth = numbers_of(log=True)
    (own,) = task.set_records(predictions[:1], np.array([math.log(2)]))
    assert [own["interval_low"], own["interval_high"]] == pytest.approx([predictions[0, 0] / 2, predictions[0, 0] * 2])
    (own,) = task.set_records(predictions[:1], np.array([math.inf]))
    assert own == {"interval_low": 0.0, "interval_high": None}
    scores = task.conformal_scores(predictions, truth)
    assert scores == pytest.approx(np.abs(np.log(truth / predictions[:, 0])))


def test_a_quantile_interval_is_widened_or_narrowed_but_holds_the_median():
    task, predictions, truth = numbers_of(loss="quantile")
    low, middle, high = predictions.T
    for level in (-9.0, -0.1, 0.3):
        own = task.set_records(predictions, np.full(len(truth), level))
        expected = np.array([np.minimum(low - level, middle), np.maximum(high + level, middle)])
        found = np.array([[each["interval_low"], each["interval_high"]] for each in own]).T
        assert found == pytest.approx(expected)
    scores = task.conformal_scores(predictions, truth)
    assert scores == pytest.approx([max(a - y, y - b) for a, y, b in zip(low, truth, high, strict=True)])


MADE = {
    "classification": lambda rows, seed: classes_of(Classification, 4, rows, seed),
    "two classes": lambda rows, seed: classes_of(Classification, 2, rows, seed, 0.5),
    "ordinal": lambda rows, seed: classes_of(Ordinal, 5, rows, seed),
    "multilabel": labels_of,
    "regression": numbers_of,
    "logarithms": lambda rows, seed: numbers_of(rows, seed, log=True),
    "quantiles": lambda rows, seed: numbers_of(rows, seed, loss="quantile"),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_sets_hold_the_truth_of_exchangeable_rows_as_often_as_asked(made):
    rows, coverage, draws = 39, 0.8, 3000
    task, predictions, encoded = made(draws * (rows + 1), 1)
    scores = task.conformal_scores(predictions, encoded).reshape(draws, rows + 1)
    levels = np.array([level_of(np.sort(own[:-1]), coverage) for own in scores])
    last = slice(rows, None, rows + 1)
    covered = task.covered(predictions[last], encoded[last], levels).mean()
    error = 4 * math.sqrt(coverage * (1 - coverage) / draws)
    exact = 32 / 40  # the rank of the level among the 40 scores: more rows are covered only where scores tie
    assert covered > exact - error
    if len(np.unique(scores)) == scores.size:
        assert covered < exact + error


def test_a_class_that_no_train_row_has_is_in_no_set():
    task, probabilities, _ = classes_of(Classification, rows=3)
    wanted = task.references(["0", "other", "other"])
    assert task.conformal_scores(probabilities, wanted)[1:].tolist() == [math.inf] * 2
    assert task.covered(probabilities, wanted, np.full(3, math.inf)).tolist() == [True, False, False]
    assert {name: rows.tolist() for name, rows in task.rows_by_class(wanted).items()} == {
        "0": [True, False, False],
        "other": [False, True, True],
    }
