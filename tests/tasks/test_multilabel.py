import numpy as np
import pytest
import torch
from sklearn import metrics

from mmcli.errors import MmcliError
from mmcli.tasks.multilabel import Multilabel
from tests.calibration_error import calibration_error

TARGETS = ["sea|sky", "sky", "|", "sky|leaf"]


def fitted(targets=TARGETS, **options):
    task = Multilabel(**options)
    task.fit(targets)
    return task


def sample(rows=200, labels=6, seed=0):
    """Return a task, probabilities that lean to the truth, some alike, and the truth, (N, K)."""
    random = np.random.default_rng(seed)
    truth = random.random((rows, labels)) < np.linspace(0.1, 0.6, labels)
    outputs = (random.normal(size=(rows, labels)) + 1.5 * truth - 0.7).round(1)
    task = fitted([[f"label {place}" for place in np.flatnonzero(row)] for row in np.eye(labels)])
    return task, task.predictions(torch.from_numpy(outputs)), truth.astype(np.uint8)


# Targets.


def test_a_cell_holds_labels_in_any_order_and_a_separator_alone_none():
    task = fitted()
    assert task.labels == ["leaf", "sea", "sky"]
    encoded = task.encode([" sky | sea|sky", "", "|", ["leaf"], [], ("sea", "leaf")])
    assert encoded.tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]]
    assert task.decode(encoded)[0] == ["sea", "sky"]
    np.testing.assert_allclose(task.prior(), [1 / 4, 1 / 4, 3 / 4])
    assert fitted([[1, 2], [2.5]]).labels == ["1", "2", "2.5"]


@pytest.mark.parametrize(
    ("separator", "cell"),
    [("comma", "sea, sky"), ("space", "sea  sky\t"), (";", "sea;sky"), ("semicolon", "sea;sky"), ("::", "sea::sky")],
)
def test_the_separator_is_an_option(separator, cell):
    task = fitted([cell], separator=separator)
    assert task.labels == ["sea", "sky"]
    other = Multilabel()
    other.load_state(task.state())
    assert other.encode([cell]).tolist() == [[1, 1]]


def test_labels_of_no_train_row_are_left_out_and_can_be_counted():
    task = fitted()
    assert task.unseen(["sky|fog", "fog|dew", ["sea"]]) == ["fog", "fog", "dew"]
    assert task.encode(["sky|fog", "dew"]).tolist() == [[0, 0, 1], [0, 0, 0]]
    assert task.known("dew")


@pytest.mark.parametrize("target", [None, [["a"]], [None], "a|\ud800"])
def test_targets_that_are_not_lists_of_labels_are_refused(target):
    assert "a list of texts" in Multilabel().fault(target)
    with pytest.raises(MmcliError, match="a list of texts"):
        fitted(["a", target])


def test_without_any_label_there_is_nothing_to_learn():
    with pytest.raises(MmcliError, match="found none"):
        fitted(["|", []])


# Losses.


def test_losses_are_those_of_their_formulas():
    task, _, truth = sample(rows=40)
    outputs = torch.randn(40, 6, dtype=torch.float64) * 3
    p, wanted = 1 / (1 + np.exp(-outputs.numpy())), torch.from_numpy(truth)
    likelihood = np.where(truth == 1, np.log(p), np.log(1 - p))
    assert float(task.loss(outputs, wanted)) == pytest.approx(-likelihood.mean())
    shifted = np.maximum(p - 0.05, 0)
    asymmetric = np.where(truth == 1, np.log(p), shifted**4 * np.log(1 - shifted))
    assert float(Multilabel(loss="asymmetric").loss(outputs, wanted)) == pytest.approx(-asymmetric.mean())
    other = np.where(truth == 1, (1 - p) ** 2 * np.log(p), p * np.log(1 - p))
    options = {"gamma_neg": 1.0, "gamma_pos": 2.0, "clip": 0.0}
    assert float(Multilabel(loss="asymmetric", **options).loss(outputs, wanted)) == pytest.approx(-other.mean())


def test_the_asymmetric_loss_is_finite_where_a_network_is_sure_of_what_is_wrong():
    for options in ({}, {"clip": 0.0}, {"gamma_neg": 0.0, "gamma_pos": 1.0}):
        outputs = torch.tensor([[200.0, -200.0]], requires_grad=True)
        loss = Multilabel(loss="asymmetric", **options).loss(outputs, torch.tensor([[0, 1]]))
        loss.backward()
        assert loss.isfinite()
        assert outputs.grad.isfinite().all()


def test_balanced_weights_make_having_and_lacking_a_label_count_alike():
    task = fitted()
    encoded = task.encode(TARGETS)
    weights = task.class_weights(encoded, "balanced")
    assert weights.tolist() == pytest.approx([3, 3, 1 / 3])
    assert task.class_weights(encoded, "none") is None
    outputs = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    task.loss(outputs, torch.from_numpy(encoded), weights.double()).backward()
    np.testing.assert_allclose(outputs.grad.sum(axis=0), 0, atol=1e-7)


# Predictions and metrics.


def test_metrics_are_those_of_scikit_learn():
    task, probabilities, truth = sample()
    predicted = probabilities >= 0.5
    found = task.metrics(probabilities, truth)
    assert found == pytest.approx(
        {
            "map": metrics.average_precision_score(truth, probabilities, average="macro"),
            "micro_f1": metrics.f1_score(truth, predicted, average="micro"),
            "micro_precision": metrics.precision_score(truth, predicted, average="micro"),
            "micro_recall": metrics.recall_score(truth, predicted, average="micro"),
            "macro_f1": metrics.f1_score(truth, predicted, average="macro"),
            "samples_f1": metrics.f1_score(truth, predicted, average="samples", zero_division=1.0),
            "hamming": metrics.hamming_loss(truth, predicted),
            "exact": metrics.accuracy_score(truth, predicted),
            "brier": np.mean([metrics.brier_score_loss(*pair) for pair in zip(truth.T, probabilities.T, strict=True)]),
            "ece": calibration_error(probabilities.ravel(), truth.ravel()),
        },
        rel=1e-6,
    )
    for name, scores in task.row_scores(probabilities, truth).items():
        assert scores.mean() == pytest.approx(found[name])


def test_labels_that_rows_lack_are_left_out_of_averages():
    task, probabilities, truth = sample()
    truth[:, 2], probabilities[:, 2] = 0, 0.1
    rest = [0, 1, 3, 4, 5]
    found = task.metrics(probabilities, truth)
    assert found["map"] == pytest.approx(metrics.average_precision_score(truth[:, rest], probabilities[:, rest]))
    expected = metrics.f1_score(truth[:, rest], probabilities[:, rest] >= 0.5, average="macro")
    assert found["macro_f1"] == pytest.approx(expected)
    nothing = task.metrics(np.full((3, 6), 0.1), np.zeros((3, 6), np.uint8))
    assert nothing == pytest.approx({"samples_f1": 1.0, "hamming": 0.0, "exact": 1.0, "ece": 0.1, "brier": 0.01})
    with pytest.raises(MmcliError, match="no rows"):
        task.metrics(probabilities[:0], truth[:0])


def test_the_reliability_bins_hold_all_pairs_of_row_and_label():
    task, probabilities, truth = sample()
    bins = task.tables(probabilities, truth)["calibration"]["bins"]
    assert sum(own["rows"] for own in bins) == truth.size
    error = sum(own["rows"] * abs(own["accuracy"] - own["confidence"]) for own in bins) / truth.size
    assert error == pytest.approx(task.metrics(probabilities, truth)["ece"])


def test_perfect_predictions_have_the_best_of_every_metric():
    task, _, truth = sample()
    found = task.metrics(truth.astype(float), truth)
    assert [found.pop(name) for name in ("hamming", "ece", "brier")] == [0, 0, 0]
    assert all(value == pytest.approx(1) for value in found.values())


def test_records_name_labels_and_every_probability():
    task = fitted()
    records = task.records(np.array([[0.2, 0.5, 0.9], [0.1, 0.1, 0.1], [0.9, 0.9, 0.9]]), np.array([True, True, False]))
    assert records[0] == {"labels": ["sea", "sky"], "probabilities": {"leaf": 0.2, "sea": 0.5, "sky": 0.9}}
    assert [record["labels"] for record in records[1:]] == [[], None]


def test_the_baseline_predicts_what_most_train_rows_have():
    task = fitted()
    found = task.baselines(task.encode(["sky", "sea"]))["prior"]
    assert found["micro_f1"] == pytest.approx(0.5)
    assert found["hamming"] == pytest.approx(2 / 6)


# Thresholds.


def best_by_trial(probabilities, truth):
    """Return the best F1 of many thresholds, and those that have it."""
    grid = np.unique(np.concatenate([np.linspace(0.01, 0.99, 99), probabilities]))
    each = np.array([metrics.f1_score(truth, probabilities >= level) for level in grid])
    return each.max(), grid[each >= each.max() - 1e-12]


def test_thresholds_have_the_best_f1_of_any_on_the_val_rows():
    task, probabilities, truth = sample(seed=5)
    assert truth.sum(axis=0).min() >= 10
    tuned = task.tune(probabilities, truth)
    chosen = tuned.state().values["thresholds"]
    for place in range(6):
        highest, _ = best_by_trial(probabilities[:, place], truth[:, place])
        found = metrics.f1_score(truth[:, place], probabilities[:, place] >= chosen[place])
        assert found == pytest.approx(highest, abs=1e-12)
    assert len(set(chosen)) > 3
    assert task.state().values["thresholds"] == [0.5] * 6
    assert tuned.metrics(probabilities, truth)["macro_f1"] > task.metrics(probabilities, truth)["macro_f1"]


def test_labels_that_few_val_rows_have_share_the_threshold_that_is_best_for_all():
    task, probabilities, truth = sample(seed=6)
    truth[np.flatnonzero(truth[:, 2])[9:], 2] = 0
    truth[:, 4] = 0
    highest, levels = best_by_trial(probabilities.ravel(), truth.ravel())
    chosen = task.tune(probabilities, truth).state().values["thresholds"]
    assert chosen[2] == chosen[4]
    assert metrics.f1_score(truth.ravel(), probabilities.ravel() >= chosen[2]) == pytest.approx(highest, abs=1e-12)
    assert abs(chosen[2] - 0.5) <= np.abs(levels - 0.5).min() + 0.02


def test_a_threshold_that_is_given_stays_and_without_labels_it_is_a_half():
    task, probabilities, truth = sample()
    assert task.tune(probabilities, np.zeros_like(truth)).state().values["thresholds"] == [0.5] * 6
    given = fitted(threshold=0.3)
    tuned = given.tune(np.array([[0.9, 0.1, 0.2]]), np.array([[0, 1, 1]], np.uint8))
    assert tuned.state().digest() == given.state().digest()
    assert tuned.records(np.array([[0.31, 0.1, 0.29]]), np.array([True]))[0]["labels"] == ["leaf"]


def test_columns_of_0_and_1_are_labels_by_the_columns_names():
    task = Multilabel()
    rows = [{"a": "1", "b": 0}, {"a": 1.0, "b": "True"}, {"a": False, "b": "0.0"}]
    task.fit(rows)
    assert task.decode(task.encode(rows)) == [["a"], ["a", "b"], []]
    for cell in ("2", "", None, "yes"):
        assert task.fault({"a": 1, "b": cell}) == "0 or 1 in each column"
