import warnings

import numpy as np
import pytest
from sklearn import metrics

from mmcli.evaluation import intervals as module
from mmcli.evaluation.intervals import intervals, row_intervals

NAMES = {"accuracy", "balanced_accuracy", "macro_f1", "log_loss"}


def sample(rows, classes, seed=0):
    random = np.random.default_rng(seed)
    encoded = random.integers(0, classes, rows)
    raw = np.exp(random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[encoded])
    return raw / raw.sum(1, keepdims=True), encoded


def measure(probabilities, encoded):
    predicted = probabilities.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": metrics.accuracy_score(encoded, predicted),
            "balanced_accuracy": metrics.balanced_accuracy_score(encoded, predicted),
            "macro_f1": metrics.f1_score(encoded, predicted, average="macro", zero_division=0),
            "log_loss": metrics.log_loss(encoded, probabilities, labels=range(probabilities.shape[1])),
        }


@pytest.mark.parametrize(("rows", "classes"), [(150, 3), (25, 6)])
def test_intervals_are_those_of_drawing_rows_and_measuring_with_scikit_learn(rows, classes):
    probabilities, encoded = sample(rows, classes)
    random = np.random.default_rng(5)
    drawn = [random.integers(0, rows, rows) for _ in range(400)]
    measured = [measure(probabilities[index], encoded[index]) for index in drawn]
    found = intervals(probabilities, encoded, draws=4000)
    assert set(found) == NAMES
    for name in NAMES:
        values = np.array([each[name] for each in measured])
        # Metrics move in steps of one row in few.
        tolerance = 0.25 * values.std() + 1.01 / rows
        assert found[name] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=tolerance), name


def test_intervals_are_of_the_classes_that_were_decided_on():
    probabilities, encoded = sample(60, 2)
    predicted = (probabilities[:, 1] >= 0.2).astype(np.int64)
    found = intervals(probabilities, encoded, predicted=predicted)
    certain, plain = intervals(np.eye(2)[predicted], encoded), intervals(probabilities, encoded)
    assert found == {name: (plain if name == "log_loss" else certain)[name] for name in NAMES}
    assert found["accuracy"] != plain["accuracy"]


def test_a_seed_gives_the_same_intervals_however_many_draws_fit_in_memory(monkeypatch):
    probabilities, encoded = sample(80, 4)
    expected = intervals(probabilities, encoded, draws=300, seed=2)
    assert expected != intervals(probabilities, encoded, draws=300, seed=3)
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 700)
    assert intervals(probabilities, encoded, draws=300, seed=2) == expected


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    accuracy, inside = 0.7, 0
    random = np.random.default_rng(0)
    for _ in range(300):
        right = random.random(120) < accuracy
        encoded = np.zeros(120, np.int64)
        probabilities = np.where(right[:, None], [0.9, 0.1], [0.2, 0.8])
        low, high = intervals(probabilities, encoded, draws=300)["accuracy"]
        inside += low <= accuracy <= high
    assert 0.90 < inside / 300 < 0.99


def test_one_row_and_no_right_prediction_give_numbers():
    for probabilities in ([[0.9, 0.1]], [[0.1, 0.9]]):
        found = intervals(np.array(probabilities), np.array([0]), draws=50)
        assert all(np.isfinite(value).all() for value in found.values())
        assert found["accuracy"] == [float(probabilities[0][0] > 0.5)] * 2


def test_many_classes_and_rows_take_seconds():
    probabilities, encoded = sample(3000, 400)
    low, high = intervals(probabilities, encoded)["macro_f1"]
    assert 0 < low < high < 1


def mean_of_draws(values, counts):
    return {"mean": counts @ values / counts.sum(axis=1), "never": np.full(len(counts), np.nan)}


def test_intervals_of_rows_are_those_of_rows_drawn_one_by_one():
    values = np.random.default_rng(1).exponential(size=70)
    found = row_intervals(lambda counts: mean_of_draws(values, counts), 70, draws=6000)
    drawn = np.random.default_rng(9).choice(values, (6000, 70)).mean(axis=1)
    np.testing.assert_allclose(found["mean"], np.quantile(drawn, [0.025, 0.975]), atol=0.02)
    assert set(found) == {"mean"}


def test_intervals_of_rows_do_not_depend_on_how_many_draws_are_made_at_once(monkeypatch):
    values = np.random.default_rng(1).exponential(size=70)
    sizes = []

    def measure(counts):
        sizes.append(len(counts))
        assert (counts.sum(axis=1) == 70).all()
        return mean_of_draws(values, counts)

    expected = row_intervals(measure, 70, draws=100, seed=3)
    monkeypatch.setattr("mmcli.evaluation.intervals.CELLS_AT_ONCE", 70 * 30)
    assert row_intervals(measure, 70, draws=100, seed=3) == expected
    assert sizes == [100, 30, 30, 30, 10]
    assert row_intervals(measure, 70, draws=100, seed=4) != expected


def test_a_draw_that_leaves_a_metric_undefined_does_not_count():
    def measure(counts):
        return {"some": np.where(counts[:, 0] > 0, 5.0, np.nan)}

    assert row_intervals(measure, 4, draws=200) == {"some": [5.0, 5.0]}
