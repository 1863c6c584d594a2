"""Bootstrap intervals against rows drawn one by one and measured by scikit-learn, and against what they promise."""

import warnings
from functools import partial

import numpy as np
import pytest

from mmcli.evaluation import intervals as module
from mmcli.evaluation.intervals import draw_metrics
from mmcli.evaluation.intervals import intervals as intervals_of_draws
from mmcli.tasks._class_draws import draws_of_classes
from mmcli.tasks._class_metrics import class_metrics


def intervals(*asked, **options):
    return intervals_of_draws(draw_metrics(*asked, **options))


def sample(rows, classes, seed=0, unseen=0):
    """Return probabilities, decisions and classes of rows; the last ``unseen`` rows are of classes without one."""
    random = np.random.default_rng(seed)
    encoded = random.integers(0, classes, rows)
    raw = np.exp(random.normal(size=(rows, classes)).round(1) + 1.5 * np.eye(classes)[encoded])
    encoded[rows - unseen :] = classes + np.arange(unseen) % 2
    probabilities = raw / raw.sum(1, keepdims=True)
    return probabilities, probabilities.argmax(1), encoded


@pytest.mark.parametrize(
    ("rows", "classes", "unseen", "top_k"), [(90, 2, 0, 0), (60, 3, 0, 2), (25, 6, 0, 0), (40, 4, 5, 3)]
)
def test_metrics_of_a_draw_are_those_of_its_rows(rows, classes, unseen, top_k):
    probabilities, predicted, encoded = sample(rows, classes, unseen=unseen)
    counts = np.random.default_rng(1).multinomial(rows, np.full(rows, 1 / rows), size=20)
    found = draws_of_classes(probabilities, predicted, encoded, counts, top_k, positive=0)
    for draw, times in enumerate(counts):
        there = np.repeat(np.arange(rows), times)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = class_metrics(probabilities[there], predicted[there], encoded[there], top_k, positive=0)
        own = {name: values[draw] for name, values in found.items() if np.isfinite(values[draw])}
        assert own == pytest.approx(expected, abs=1e-12)


def test_rankings_of_many_rows_are_of_fewer_draws(monkeypatch):
    probabilities, predicted, encoded = sample(50, 3)
    counts = np.random.default_rng(1).multinomial(50, np.full(50, 0.02), size=20)
    whole = draws_of_classes(probabilities, predicted, encoded, counts)
    monkeypatch.setattr("mmcli.tasks._class_draws._RANKED", 50 * 3 * 5)
    part = draws_of_classes(probabilities, predicted, encoded, counts)
    np.testing.assert_array_equal(part["roc_auc"][:5], whole["roc_auc"][:5])
    assert np.isnan(part["roc_auc"][5:]).all()
    np.testing.assert_array_equal(part["brier"], whole["brier"])


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "roc_auc", "log_loss", "brier"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(metric):
    """Of 120 rows drawn from 40,000, whose metric is the truth."""
    probabilities, predicted, encoded = sample(40_000, 3)
    truth = class_metrics(probabilities, predicted, encoded)[metric]
    random, inside = np.random.default_rng(0), 0
    for _ in range(300):
        rows = random.integers(0, 40_000, 120)
        low, high = intervals(
            partial(draws_of_classes, probabilities[rows], predicted[rows], encoded[rows]), 120, draws=300
        )[metric]
        inside += low <= truth <= high
    assert 0.90 < inside / 300 < 0.985


def test_rows_of_a_group_are_drawn_together():
    """Ten equal rows in each of 40 groups say no more than 40 rows do, and an interval that knows it is as wide."""
    random = np.random.default_rng(3)
    values = random.normal(size=40)
    alone = intervals(partial(mean_of_draws, values), 40, draws=4000)["mean"]
    groups = [f"g{n}" for n in range(40) for _ in range(10)]
    together = intervals(partial(mean_of_draws, values.repeat(10)), 400, groups, draws=4000)["mean"]
    apart = intervals(partial(mean_of_draws, values.repeat(10)), 400, draws=4000)["mean"]
    assert together == pytest.approx(alone, abs=0.03)
    assert np.ptp(apart) < 0.5 * np.ptp(together)
    no_groups = intervals(partial(mean_of_draws, values), 40, [None] * 40, draws=400)
    assert no_groups == intervals(partial(mean_of_draws, values), 40, draws=400)


def test_groups_hold_the_truth_about_as_often_as_they_say():
    random, inside = np.random.default_rng(0), 0
    for _ in range(300):
        effects = random.normal(size=30)
        sizes = random.integers(1, 12, 30)
        values = np.repeat(effects, sizes) + 0.1 * random.normal(size=sizes.sum())
        groups = np.repeat(np.arange(30), sizes).tolist()
        low, high = intervals(partial(mean_of_draws, values), len(values), groups, draws=300)["mean"]
        inside += low <= 0 <= high
    assert 0.88 < inside / 300 < 0.985


def test_one_row_gives_numbers():
    found = intervals(partial(draws_of_classes, np.array([[0.9, 0.1]]), np.array([0]), np.array([0])), 1, draws=50)
    assert found["accuracy"] == [1.0, 1.0]
    assert "roc_auc" not in found


def mean_of_draws(values, counts):
    return {"mean": counts @ values / counts.sum(axis=1), "never": np.full(len(counts), np.nan)}


def test_intervals_of_rows_are_those_of_rows_drawn_one_by_one():
    values = np.random.default_rng(1).exponential(size=70)
    found = intervals(partial(mean_of_draws, values), 70, draws=6000)
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

    expected = intervals(measure, 70, draws=100, seed=3)
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 70 * 30)
    assert intervals(measure, 70, draws=100, seed=3) == expected
    assert sizes == [100, 30, 30, 30, 10]
    assert intervals(measure, 70, draws=100, seed=4) != expected


def test_a_draw_that_leaves_a_metric_undefined_does_not_count():
    def measure(counts):
        return {"some": np.where(counts[:, 0] > 0, 5.0, np.nan)}

    assert intervals(measure, 4, draws=200) == {"some": [5.0, 5.0]}
