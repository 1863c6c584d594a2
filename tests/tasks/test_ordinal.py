"""Classes in an order: ranks, the loss and metrics that count how far off a prediction is."""

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn import metrics

from mmcli.errors import MmcliError
from mmcli.tasks.ordinal import Ordinal
from tests.calibration_error import calibration_error

LEVELS = "low|medium|high"
TARGETS = ["high", "low", "low", "medium", "low", "high"]


def fitted(targets=TARGETS, order=LEVELS, **options):
    task = Ordinal(order=order, **options)
    task.fit(targets)
    return task


def sample(classes=5, rows=300, seed=0):
    """Return a task, probabilities that are near the true class more often than not, and the true ranks."""
    random = np.random.default_rng(seed)
    encoded = random.integers(0, classes, rows)
    outputs = random.normal(size=(rows, classes)) - np.abs(np.arange(classes) - encoded[:, None])
    task = fitted([str(level) for level in range(classes)], order=None)
    return task, task.predictions(torch.from_numpy(outputs)), encoded


# Ranks.


def test_ranks_are_as_the_order_says_and_numbers_by_value():
    assert fitted().encode(["high", "low", "medium"]).tolist() == [2, 0, 1]
    assert fitted().decode(np.array([2, 0])) == ["high", "low"]
    numbers = fitted(["10", 9, "2.5", "-1", 9.0], order=None)
    assert numbers.classes == ["-1", "2.5", "9", "10"]
    assert fitted([1, 2, 5], order="5|2|1").encode([1, "5", 2.0]).tolist() == [2, 0, 1]


def test_words_without_an_order_are_refused_with_what_to_write():
    with pytest.raises(MmcliError) as error:
        fitted(order=None)
    assert "'high' is not a number" in str(error.value)
    assert "--task 'ordinal:order=high|low|medium'" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_class_that_is_not_in_the_order_is_a_fault():
    task = fitted()
    assert task.fault("middling") == "one of low, medium, high (order=…)"
    assert not task.known("middling")
    assert task.fault("low") is None
    with pytest.raises(MmcliError, match="'middling' is not one of the 3 classes"):
        task.encode(["middling"])


def test_a_class_of_the_order_that_no_train_row_has_keeps_its_rank():
    task = fitted(["low", "high"])
    assert (task.out_dim, task.known("medium")) == (3, True)
    assert task.encode(["high"]).tolist() == [2]
    assert task.prior().tolist() == [0.5, 0, 0.5]
    loss = task.loss(torch.randn(2, 3), torch.tensor([0, 2]), task.class_weights(np.array([0, 2]), "balanced"))
    assert loss.isfinite()


def test_a_number_that_no_train_row_has_is_unknown():
    task = fitted([1, 2, 3], order=None)
    assert (task.known("2.0"), task.known(4), task.fault(4)) == (True, False, None)


@pytest.mark.parametrize(
    ("targets", "message"), [(["low", "low"], "at least two classes"), (["low", ["high"]], "one class per row")]
)
def test_targets_that_say_no_order_are_refused(targets, message):
    with pytest.raises(MmcliError, match=message):
        fitted(targets)


# The loss.


def test_the_loss_is_the_squared_distance_between_cumulative_distributions():
    _, probabilities, encoded = sample()
    task = fitted([1, 2, 3, 4, 5], order=None)
    by_hand = [
        sum((row[: cut + 1].sum() - float(rank <= cut)) ** 2 for cut in range(5))
        for row, rank in zip(probabilities, encoded, strict=True)
    ]
    outputs = torch.from_numpy(np.log(probabilities))
    assert float(task.loss(outputs, torch.from_numpy(encoded))) == pytest.approx(np.mean(by_hand))
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    weighted = float(task.loss(outputs, torch.from_numpy(encoded), weight))
    assert weighted == pytest.approx(np.average(by_hand, weights=weight.numpy()[encoded]))
    assert task.metrics(probabilities, encoded)["rps"] == pytest.approx(np.mean(by_hand))


def test_a_certain_prediction_loses_as_many_ranks_as_it_is_off():
    task = fitted([1, 2, 3, 4], order=None)
    outputs = 100 * torch.eye(4)
    assert [float(task.loss(outputs[[3]], torch.tensor([rank]))) for rank in range(4)] == pytest.approx([3, 2, 1, 0])


def test_cross_entropy_does_not_look_at_the_distance():
    task = fitted([1, 2, 3], order=None, loss="cross_entropy")
    outputs = torch.tensor([[3.0, 0.0, 0.0]])
    near, far = (float(task.loss(outputs, torch.tensor([rank]))) for rank in (1, 2))
    assert near == far == pytest.approx(np.log(np.exp(3) + 2))


# What is predicted.


def test_the_median_is_predicted_from_which_the_expected_distance_is_least():
    task, probabilities, _ = sample()
    distances = np.abs(np.arange(5)[:, None] - np.arange(5))
    assert np.array_equal(task.decide(probabilities), (probabilities @ distances).argmin(axis=1))
    assert task.decide(np.array([[0.4, 0.25, 0.35], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])).tolist() == [1, 0, 2]


def test_a_record_names_the_median_and_every_class():
    task = fitted()
    answers = task.records(np.array([[0.4, 0.25, 0.35], [0.5, 0.2, 0.3]]), np.array([True, False]))
    assert answers[0] == {
        "label": "medium", "probability": 0.25, "probabilities": {"low": 0.4, "medium": 0.25, "high": 0.35}
    }  # fmt: skip
    assert (answers[1]["label"], answers[1]["probability"]) == (None, None)


# Metrics.


def test_metrics_are_those_of_scikit_learn_and_scipy():
    task, probabilities, encoded = sample()
    predicted = np.array([np.searchsorted(np.cumsum(row), 0.5) for row in probabilities])
    found = task.metrics(probabilities, encoded)
    away = np.abs(predicted - encoded)
    assert found == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(encoded, predicted),
            "accuracy": metrics.accuracy_score(encoded, predicted),
            "within_1": (away <= 1).mean(),
            "macro_mae": np.mean([away[encoded == rank].mean() for rank in range(5)]),
            "quadratic_kappa": metrics.cohen_kappa_score(encoded, predicted, weights="quadratic"),
            "spearman": spearmanr(encoded, predicted).statistic,
            "rps": found["rps"],
            "brier": metrics.brier_score_loss(encoded, probabilities),
            "ece": calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == encoded),
        }
    )
    for name, scores in task.row_scores(probabilities, encoded).items():
        assert scores.shape == (300,)
        assert scores.mean() == pytest.approx(found[name])


def test_undefined_metrics_are_left_out_without_a_warning():
    task = fitted()
    low, high = np.eye(3)[[0, 0]], np.eye(3)[[2, 2]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = task.metrics(low, np.array([0, 0]))
        other = task.metrics(high, np.array([0, 0]))
        varied = task.metrics(high, np.array([0, 2]))
    assert "quadratic_kappa" not in same
    assert "spearman" not in same
    assert (same["mae"], same["accuracy"], same["rps"]) == (0, 1, 0)
    assert (other["quadratic_kappa"], other["macro_mae"], other["rps"]) == (0, 2, 2)
    assert (varied["quadratic_kappa"], varied["spearman"], varied["macro_mae"]) == (0, 0, 1)
    with pytest.raises(MmcliError, match="no rows"):
        task.metrics(np.zeros((0, 3)), np.zeros(0, np.int64))


def test_baselines_are_the_median_and_the_commonest_class_of_the_train_rows():
    task = fitted(["low"] * 4 + ["medium"] * 3 + ["high"] * 2)
    found = task.baselines(np.array([0, 1, 1, 2]))
    assert (found["median"]["mae"], found["median"]["accuracy"]) == (0.5, 0.5)
    assert (found["majority"]["mae"], found["majority"]["accuracy"]) == (1.0, 0.25)
    first, second = 4 / 9, 7 / 9
    expected = ((first - 1) ** 2 + (second - 1) ** 2 + 2 * (first**2 + (second - 1) ** 2) + first**2 + second**2) / 4
    assert found["median"]["rps"] == found["majority"]["rps"] == pytest.approx(expected)


def test_the_confusion_is_in_the_order_of_the_classes():
    task = fitted()
    table = task.tables(np.eye(3)[[0, 2, 1]], np.array([0, 1, 1]))["confusion"]
    assert table == {"classes": ["low", "medium", "high"], "counts": [[1, 0, 0], [0, 1, 1], [0, 0, 0]]}


def test_class_weights_are_those_of_classes():
    task = fitted()
    encoded = task.encode(TARGETS)
    assert task.class_weights(encoded, "none") is None
    assert task.class_weights(encoded, "balanced").tolist() == pytest.approx([6 / 9, 2, 1])
    effective = task.class_weights(encoded, "effective")
    by_hand = 0.001 / (1 - 0.999 ** np.array([3, 1, 2]))
    np.testing.assert_allclose(effective, by_hand / by_hand.mean(), rtol=1e-6)
