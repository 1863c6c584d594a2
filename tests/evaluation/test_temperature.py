"""The temperature against a numerical minimum of the log loss."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from mmcli.evaluation.temperature import COLDEST, HOTTEST, class_temperature, label_temperature


def best(loss):
    """Return the temperature with the smallest loss by Brent's method on its logarithm."""
    return np.exp(minimize_scalar(lambda log: loss(np.exp(log)), bounds=(-4, 6), options={"xatol": 1e-9}).x)


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 7])
def test_the_temperature_of_classes_has_the_smallest_log_loss(true, classes):
    random = np.random.default_rng(classes)
    logits = random.normal(size=(2000, classes)) * 2
    drawn = random.gumbel(size=logits.shape)
    wanted = (logits + drawn).argmax(axis=1)
    found = class_temperature(logits * true, wanted)
    loss = best(lambda own: -log_softmax(logits * true / own, axis=1)[np.arange(2000), wanted].mean())
    assert found == pytest.approx(loss, rel=1e-5)
    assert found == pytest.approx(true, rel=0.1)  # the classes are drawn from the softmax of the logits


@pytest.mark.parametrize("true", [0.3, 4.0])
def test_one_temperature_of_all_labels_has_the_smallest_log_loss(true):
    random = np.random.default_rng(0)
    logits = random.normal(-1, 2, size=(600, 5))
    truth = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    found = label_temperature(logits * true, truth)
    assert found == pytest.approx(best(lambda own: -log_expit(np.where(truth, 1, -1) * logits * true / own).mean()))
    assert found == pytest.approx(true, rel=0.1)


def test_rows_that_are_all_right_tell_no_temperature():
    logits = np.array([[2.0, 1.0], [0.0, 0.5]])
    assert class_temperature(logits, np.array([0, 1])) is None
    assert class_temperature(logits, np.array([0, 0])) is not None
    assert label_temperature(logits - 1, np.array([[True, True], [False, False]])) is None


def test_rows_that_are_worse_than_chance_get_the_highest_temperature():
    logits = np.array([[2.0, 1.0], [0.0, 0.5]])
    assert class_temperature(logits, np.array([1, 0])) == HOTTEST
    assert label_temperature(np.array([[2.0], [-2.0]]), np.array([[False], [True]])) == HOTTEST
    sure = np.array([[1e-4, 0.0]] * 99999 + [[0.0, 1e-9]])
    assert class_temperature(sure, np.zeros(100000, np.int64)) == COLDEST


def test_log_odds_as_large_as_an_estimators_do_not_overflow():
    logits = np.log(np.where(np.eye(3)[[0, 1, 2, 0] * 50] == 1, 1.0, np.finfo(float).eps))
    classes = np.array([0, 1, 2, 1] * 50)
    found = class_temperature(logits, classes)
    scaled = np.exp(log_softmax(logits / found, axis=1))
    assert scaled.max(axis=1).mean() == pytest.approx(0.75, abs=1e-6)  # as often right
