"""Several targets as one task: each part is what its own task makes of the rows that have it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmcli.errors import UsageError
from mmcli.registry import TASKS, parse_spec
from mmcli.tasks import mode_of
from mmcli.tasks.several import Several

TARGETS = [
    {"colour": "red", "price": "3.5", "tags": "a|b"},
    {"colour": None, "price": "4.5", "tags": "b"},
    {"colour": "blue", "price": None, "tags": "|"},
    {"colour": "red", "price": "1", "tags": None},
    {"colour": "green", "price": "2.5", "tags": "a"},
]


def make(**tasks):
    return {name: TASKS.build(parse_spec(text)) for name, text in tasks.items()}


@pytest.fixture
def several():
    task = Several(make(colour="classification", price="regression", tags="multilabel:threshold=0.5"))
    task.fit(TARGETS)
    return task


def alone(name, text):
    """The task of one target, fitted to the rows that have it, and these rows."""
    rows = [number for number, target in enumerate(TARGETS) if target[name] is not None]
    task = TASKS.build(parse_spec(text))
    task.fit([TARGETS[row][name] for row in rows])
    return task, rows, task.encode([TARGETS[row][name] for row in rows])


PARTS = {"colour": ("classification", slice(0, 3)), "price": ("regression", slice(3, 4)),
         "tags": ("multilabel:threshold=0.5", slice(4, 6))}  # fmt: skip


def test_targets_survive_encoding_and_empty_ones_stay_empty(several):
    encoded = several.encode(TARGETS)
    assert encoded.shape == (5, 1 + 1 + 2)
    assert np.isnan(encoded).any(axis=1).tolist() == [False, True, True, True, False]
    assert several.decode(encoded) == [
        {"colour": "red", "price": 3.5, "tags": ["a", "b"]},
        {"colour": None, "price": 4.5, "tags": ["b"]},
        {"colour": "blue", "price": None, "tags": []},
        {"colour": "red", "price": 1.0, "tags": None},
        {"colour": "green", "price": 2.5, "tags": ["a"]},
    ]


def test_the_loss_is_the_mean_of_the_losses_of_each_on_its_own_rows(several):
    outputs = torch.randn(5, several.out_dim, generator=torch.Generator().manual_seed(0))
    each = []
    for name, (text, own) in PARTS.items():
        task, rows, encoded = alone(name, text)
        each.append(float(task.loss(outputs[rows, own], torch.from_numpy(encoded))))
    found = several.loss(outputs, torch.from_numpy(several.encode(TARGETS)))
    assert float(found) == pytest.approx(np.mean(each), rel=1e-6)


def test_metrics_and_answers_are_those_of_each_task_alone(several):
    outputs = torch.randn(5, several.out_dim, generator=torch.Generator().manual_seed(1))
    predictions, encoded = several.predictions(outputs), several.encode(TARGETS)
    found = several.metrics(predictions, encoded)
    records = several.records(predictions, np.ones(5, bool))
    expected = {}
    for name, (text, own) in PARTS.items():
        task, rows, wanted = alone(name, text)
        said = task.predictions(outputs[:, own])
        expected |= {f"{name}.{metric}": value for metric, value in task.metrics(said[rows], wanted).items()}
        assert [record["targets"][name] for record in records] == task.records(said, np.ones(5, bool))
    assert found == pytest.approx(expected)


def test_a_row_of_which_nothing_is_known_adds_nothing(several):
    nothing = dict.fromkeys(["colour", "price", "tags"])
    assert not several.known(nothing)
    outputs = torch.randn(6, several.out_dim, requires_grad=True)
    encoded = torch.from_numpy(several.encode([*TARGETS, nothing]))
    several.loss(outputs, encoded).backward()
    assert outputs.grad[5].abs().max() == 0
    assert several.loss(outputs[5:], encoded[5:]) == 0


def test_unseen_parts_are_reported_and_not_measured(several):
    odd = {"colour": "black", "price": "2", "tags": "a|z"}
    assert several.known(odd)
    assert several.unseen([odd, TARGETS[0]]) == ["tags z"]
    assert several.unknown(odd) == ["colour black"]
    assert np.isnan(several.encode([odd])[0]).tolist() == [True, False, False, False]


def test_class_weights_are_those_of_the_tasks_that_have_classes(several):
    encoded = several.encode(TARGETS)
    found = several.class_weights(encoded, "balanced")
    task, _, own = alone("colour", "classification")
    assert torch.equal(found[:3], task.class_weights(own, "balanced"))
    assert found[3].isnan()
    outputs = torch.randn(5, several.out_dim)
    plain, weighted = (several.loss(outputs, torch.from_numpy(encoded), weight) for weight in (None, found))
    assert plain != weighted
    assert weighted.isfinite()
    numbers = Several(make(one="regression", other="regression"))
    numbers.fit([{"one": 1, "other": 2}, {"one": 2, "other": 3}])
    with pytest.raises(UsageError, match="regression has no classes"):
        numbers.class_weights(numbers.encode([{"one": 1, "other": 2}]), "balanced")


def test_the_best_of_a_metric_is_what_its_task_says(several):
    assert mode_of(several, "price.rmse") == "min"
    assert mode_of(several, "colour.accuracy") == "max"
    assert mode_of(several, "colour.log_loss") == "min"


def test_state_and_tuning_keep_every_part():
    task = Several(make(colour="classification", tags="multilabel"))
    rows = [target for target in TARGETS if target["colour"] and target["tags"]]
    task.fit(rows)
    outputs = torch.randn(len(rows), task.out_dim, generator=torch.Generator().manual_seed(2))
    predictions, encoded = task.predictions(outputs), task.encode(rows)
    tuned = task.tune(predictions, encoded)
    other = Several()
    other.load_state(tuned.state())
    assert other.state().digest() == tuned.state().digest()
    assert other.metrics(predictions, encoded) == tuned.metrics(predictions, encoded)
    assert np.array_equal(other.prior(), tuned.prior())
    assert np.array_equal(other.encode(rows), encoded)
