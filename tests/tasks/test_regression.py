import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics

from mmcli.errors import MmcliError
from mmcli.tasks.regression import Regression


def fitted(targets, **options):
    task = Regression(**options)
    task.fit(targets)
    return task


def sample(rows=300, seed=0, level=0.0):
    random = np.random.default_rng(seed)
    truth = random.normal(size=rows) + level
    return truth + random.normal(size=rows) * 0.7, truth


@pytest.mark.parametrize("level", [0.0, 50.0, 1e6])
def test_metrics_are_those_of_scikit_learn_and_scipy(level):
    predicted, truth = sample(level=level)
    found = fitted(truth).metrics(predicted[:, None], truth)
    assert found == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(truth, predicted),
            "rmse": metrics.root_mean_squared_error(truth, predicted),
            "r2": metrics.r2_score(truth, predicted),
            "mape": metrics.mean_absolute_percentage_error(truth, predicted),
            "pearson": stats.pearsonr(truth, predicted).statistic,
            "spearman": stats.spearmanr(truth, predicted).statistic,
        },
        rel=1e-6,
    )


def test_ranks_of_equal_numbers_are_shared():
    random = np.random.default_rng(1)
    truth, predicted = random.integers(0, 5, 200).astype(float), random.integers(0, 5, 200).astype(float)
    found = fitted(truth).metrics(predicted[:, None], truth)
    assert found["spearman"] == pytest.approx(stats.spearmanr(truth, predicted).statistic, rel=1e-6)
    assert "mape" not in found


def test_measures_of_sentiment_are_those_of_the_papers():
    random = np.random.default_rng(2)
    truth = (random.integers(-9, 10, 400) / 3).round(6)
    predicted = truth + random.normal(size=400)
    task = fitted(truth, sentiment=True)
    found = task.metrics(predicted[:, None], truth)
    assert found["acc_2_has0"] == pytest.approx(metrics.accuracy_score(truth >= 0, predicted >= 0))
    assert found["f1_has0"] == pytest.approx(metrics.f1_score(truth >= 0, predicted >= 0, average="weighted"))
    some = truth != 0
    assert 0 < some.sum() < 400
    assert found["acc_2_non0"] == pytest.approx(metrics.accuracy_score(truth[some] > 0, predicted[some] > 0))
    expected = metrics.f1_score(truth[some] > 0, predicted[some] > 0, average="weighted")
    assert found["f1_non0"] == pytest.approx(expected)
    steps = [np.round(np.clip(numbers, -3, 3)) for numbers in (truth, predicted)]
    assert found["acc_7"] == pytest.approx(metrics.accuracy_score(*steps))
    for name, scores in task.row_scores(predicted[:, None], truth).items():
        assert scores.mean() == pytest.approx(found[name])
    zeros = task.metrics(np.array([[1.0], [-1.0]]), np.zeros(2))
    assert zeros["acc_2_has0"] == 0.5
    assert not {"acc_2_non0", "f1_non0"} & set(zeros)


def test_undefined_metrics_are_left_out():
    task = fitted([1.0, 2.0])
    same = task.metrics(np.array([[1.0], [2.0]]), np.array([3.0, 3.0]))
    assert set(same) == {"mae", "mape", "rmse"}
    flat = task.metrics(np.full((3, 1), 7.3), np.array([1.1, 2.2, 3.4]))
    assert (flat["pearson"], flat["spearman"]) == (0, 0)
    assert set(task.metrics(np.array([[1.0]]), np.array([2.0]))) == {"mae", "mape", "rmse"}
    with pytest.raises(MmcliError, match="no rows"):
        task.metrics(np.zeros((0, 1)), np.zeros(0))


def test_losses_are_those_of_their_formulas():
    targets = np.array([10.0, 14.0, 30.0, 18.0])
    outputs = torch.tensor([[0.5], [-1.0], [0.2], [2.5]], dtype=torch.float64)
    gaps = outputs[:, 0].numpy() - (targets - targets.mean()) / targets.std()
    assert np.abs(gaps).min() < 1 < np.abs(gaps).max()
    expected = {
        "mse": (gaps**2).mean(),
        "mae": np.abs(gaps).mean(),
        "huber": np.where(np.abs(gaps) <= 1, gaps**2 / 2, np.abs(gaps) - 0.5).mean(),
    }
    for name, value in expected.items():
        assert float(fitted(targets, loss=name).loss(outputs, torch.from_numpy(targets))) == pytest.approx(value)
    logs = np.log(targets)
    gaps = outputs[:, 0].numpy() - (logs - logs.mean()) / logs.std()
    found = fitted(targets, log=True).loss(outputs, torch.from_numpy(targets))
    assert float(found) == pytest.approx((gaps**2).mean())


def test_the_quantile_loss_is_the_mean_pinball_loss():
    random = np.random.default_rng(3)
    targets, outputs = random.normal(5, 3, 50), random.normal(size=(50, 3))
    task = fitted(targets, loss="quantile", interval=0.6)
    scaled = (targets - targets.mean()) / targets.std()
    pinballs = [
        metrics.mean_pinball_loss(scaled, outputs[:, place], alpha=level) for place, level in enumerate((0.2, 0.5, 0.8))
    ]
    found = task.loss(torch.from_numpy(outputs), torch.from_numpy(targets))
    assert float(found) == pytest.approx(np.mean(pinballs))


def test_an_interval_learnt_from_noise_holds_its_share():
    random = np.random.default_rng(4)
    targets = random.exponential(2.0, 1000)
    task = fitted(targets, loss="quantile", interval=0.9)
    outputs = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.03)
    for _ in range(400):
        optimizer.zero_grad()
        task.loss(outputs.expand(1000, 3), torch.from_numpy(targets)).backward()
        optimizer.step()
    predictions = np.tile(task.predictions(outputs), (1000, 1))
    np.testing.assert_allclose(predictions[0], np.quantile(targets, [0.05, 0.5, 0.95]), rtol=0.15, atol=0.05)
    np.testing.assert_allclose(task.prior(), np.quantile(targets, [0.05, 0.5, 0.95]))
    found = task.metrics(predictions, targets)
    assert found["coverage"] == pytest.approx(0.9, abs=0.02)
    assert found["width"] == pytest.approx(predictions[0, 2] - predictions[0, 0])
    assert found["mae"] == pytest.approx(np.abs(targets - predictions[0, 1]).mean())


def test_predictions_are_in_the_units_of_the_targets():
    targets = [100.0, 200.0, 600.0]
    outputs = torch.tensor([[0.0], [1.0]])
    mean, std = np.mean(targets), np.std(targets)
    np.testing.assert_allclose(fitted(targets).predictions(outputs)[:, 0], [mean, mean + std])
    logs = np.log(targets)
    found = fitted(targets, log=True).predictions(outputs)
    np.testing.assert_allclose(found[:, 0], np.exp([logs.mean(), logs.mean() + logs.std()]))
    crossing = fitted(targets, loss="quantile").predictions(torch.tensor([[2.0, -1.0, 0.0]]))
    np.testing.assert_allclose(crossing[0], [mean - std, mean, mean + 2 * std])
    far = fitted(targets, log=True).predictions(torch.tensor([[1e6], [-1e6]]))
    assert np.isfinite(far**2).all()


def test_a_row_without_features_gets_what_is_best_for_all():
    targets = [1.0, 2.0, 9.0]
    assert fitted(targets).prior() == pytest.approx([4.0])
    assert fitted(targets, log=True).prior() == pytest.approx([18 ** (1 / 3)])
    assert fitted(targets, loss="mae").prior() == pytest.approx([2.0])
    assert fitted(targets, loss="huber", log=True).prior() == pytest.approx([2.0])
    task = fitted(targets, loss="quantile")
    assert task.prior() == pytest.approx([1.2, 2.0, 7.6])
    assert task.records(task.prior()[None], np.array([False])) == [
        {"value": pytest.approx(2.0), "low": pytest.approx(1.2), "high": pytest.approx(7.6)}
    ]
    assert fitted(targets).records(np.array([[3.5]]), np.array([True])) == [{"value": 3.5}]


def test_baselines_are_the_train_rows_mean_and_median():
    truth = np.array([1.0, 5.0])
    found = fitted([1.0, 2.0, 9.0]).baselines(truth)
    assert found["mean"]["mae"] == pytest.approx((3 + 1) / 2)
    assert found["median"]["mae"] == pytest.approx((1 + 3) / 2)
    assert found["mean"]["r2"] == pytest.approx(metrics.r2_score(truth, [4.0, 4.0]))


@pytest.mark.parametrize(
    ("value", "log", "fault"),
    [
        ("many", False, "a number"),
        (True, False, "a number"),
        ("nan", False, "a number"),
        ("inf", False, "a number"),
        ([1.0], False, "a number"),
        (None, False, "a number"),
        (0, True, "a number above 0, of which there is a logarithm"),
        ("-2", True, "a number above 0"),
    ],
)
def test_targets_that_are_not_numbers_are_refused(value, log, fault):
    task = Regression(log=log)
    assert fault in task.fault(value)
    assert not task.known(value)
    with pytest.raises(MmcliError, match=fault):
        task.fit([1.0, value, 2.0])


@pytest.mark.parametrize("value", [3, "3", " 3.0 ", np.float32(3), "3e0"])
def test_a_number_is_the_same_however_it_is_written(value):
    assert fitted([1, 2]).encode([value]).tolist() == [3.0]


def test_numbers_that_are_all_the_same_cannot_be_learnt():
    for targets in ([], [2.0, "2"]):
        with pytest.raises(MmcliError, match="two distinct numbers in the train rows"):
            fitted(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MmcliError, match="too far apart"):
            fitted([-1e300, 1e300])
