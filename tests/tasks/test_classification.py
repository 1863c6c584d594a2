import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.calibration import calibration_curve

from mmcli.errors import MmcliError
from mmcli.tasks.classification import Classification

TARGETS = ["cat", "dog", "ant", "cat", "cat", "dog"]


def fitted(targets=TARGETS, **options):
    task = Classification(**options)
    task.fit(targets)
    return task


def sample(classes, rows=200, seed=0, **options):
    """Return a task, probabilities that are right more often than not, and the true classes."""
    random = np.random.default_rng(seed)
    encoded = random.integers(0, classes, rows)
    outputs = random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[encoded]
    task = fitted([f"class {index}" for index in range(classes)], **options)
    return task, task.predictions(torch.from_numpy(outputs)), encoded


def test_perfect_predictions_have_the_best_of_every_metric():
    task = fitted()
    encoded = task.encode(TARGETS)
    found = task.metrics(np.eye(3)[encoded], encoded)
    assert {name for name, value in found.items() if abs(value) < 1e-9} == {"log_loss", "ece", "brier"}
    assert all(value == pytest.approx(1) for name, value in found.items() if name not in ("log_loss", "ece", "brier"))
    assert len(found) == 16


# Classes and their names.


def test_classes_are_sorted_numbers_by_value_before_words():
    assert fitted().classes == ["ant", "cat", "dog"]
    assert fitted(["10", 9, "2.5", "b", "-1", "a"]).classes == ["-1", "2.5", "9", "10", "a", "b"]


def test_a_number_is_the_same_class_however_it_is_written():
    task = fitted([3, "4", 5.0, np.int64(6), "7.50"])
    assert task.classes == ["3", "4", "5", "6", "7.5"]
    assert task.encode(["3", 3.0, "3.0", np.float64(3), 4, 7.5]).tolist() == [0, 0, 0, 0, 1, 4]
    assert fitted(["03", "3", "1e3", "12345678901234567890"]).classes == ["3", "12345678901234567890", "03", "1e3"]


def test_true_is_true_however_it_is_written_and_is_not_one():
    task = fitted([True, "False", 1])
    assert task.classes == ["1", "false", "true"]
    assert task.encode(["True", np.bool_(False), "true", "1"]).tolist() == [2, 1, 2, 0]


def test_classes_and_shares_come_from_what_was_fitted():
    task = fitted()
    np.testing.assert_allclose(task.prior(), [1 / 6, 3 / 6, 2 / 6])
    other = Classification()
    other.load_state(task.state())
    assert other.classes == task.classes
    assert np.array_equal(other.prior(), task.prior())


def test_an_unseen_class_is_named_and_can_be_asked_about():
    task = fitted()
    with pytest.raises(MmcliError, match="target 'emu' is not one of the 3 classes"):
        task.encode(["cat", "emu"])
    assert [task.known(target) for target in ("cat", "emu", None, "", ["cat"], 3)] == [True] + [False] * 5


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["a", None], "one class per row, not None"),
        (["a", ["b", "c"]], r"one class per row, not \['b', 'c'\]"),
        (["a", " "], "one class per row"),
        (["a", "a"], "at least two classes in the train rows, found only 'a'"),
        ([], "found none"),
    ],
)
def test_targets_that_are_no_classes_are_refused(targets, message):
    with pytest.raises(MmcliError, match=message):
        fitted(targets)


# Loss, predictions.


def test_balanced_weights_make_classes_count_alike():
    task = fitted()
    encoded = task.encode(TARGETS)
    weights = task.class_weights(encoded, "balanced")
    assert weights.tolist() == pytest.approx([6 / (3 * 1), 6 / (3 * 3), 6 / (3 * 2)])
    assert task.class_weights(encoded, "none") is None
    outputs = torch.randn(6, 3, dtype=torch.float64)
    losses = -np.log(task.predictions(outputs)[np.arange(6), encoded])
    by_class = [losses[encoded == index].mean() for index in range(3)]
    found = task.loss(outputs, torch.from_numpy(encoded), weights.double())
    assert float(found) == pytest.approx(np.mean(by_class))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0]])
def test_losses_are_those_of_their_formulas(smoothing, weights):
    random = np.random.default_rng(0)
    outputs, encoded = random.normal(size=(40, 3)) * 3, random.integers(0, 3, 40)
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    chances = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    wanted = (1 - smoothing) * np.eye(3)[encoded] + smoothing / 3
    weigh = np.array(weights or [1.0, 1.0, 1.0])
    for options, gamma in (({}, 0), ({"loss": "focal", "gamma": 0.0}, 0), ({"loss": "focal"}, 2)):
        parts = weigh * wanted * (1 - chances) ** gamma * -np.log(chances)
        found = fitted(label_smoothing=smoothing, **options).loss(
            torch.from_numpy(outputs), torch.from_numpy(encoded), weight
        )
        assert float(found) == pytest.approx(parts.sum() / weigh[encoded].sum())
        if gamma == 0:
            known = torch.nn.functional.cross_entropy(
                torch.from_numpy(outputs), torch.from_numpy(encoded), weight, label_smoothing=smoothing
            )
            assert float(found) == pytest.approx(float(known))


def test_the_focal_loss_of_what_is_surely_right_or_wrong_has_a_finite_slope():
    for gamma in (0.0, 0.5, 2.0):
        outputs = torch.tensor([[200.0, 0.0, 0.0], [200.0, 0.0, 0.0]], requires_grad=True)
        loss = fitted(loss="focal", gamma=gamma).loss(outputs, torch.tensor([0, 1]))
        loss.backward()
        assert loss.item() == pytest.approx(100)
        np.testing.assert_allclose(outputs.grad, [[0, 0, 0], [0.5, -0.5, 0]], atol=1e-6)


def test_effective_weights_are_inverse_to_the_effective_number_of_rows():
    task = fitted(["a", "b", "c", "d"])
    counts = np.array([1, 100, 5000, 0])
    found = task.class_weights(np.repeat(np.arange(4), counts), "effective").numpy()
    # A class of n rows has 1 + 0.999 + ... + 0.999^(n - 1) effective ones; one without any counts as if it had one.
    rows = np.array([(0.999 ** np.arange(max(count, 1))).sum() for count in counts])
    np.testing.assert_allclose(found, 4 / rows / (1 / rows).sum(), rtol=1e-5)
    assert 1 < found[1] / found[2] < counts[2] / counts[1]


def test_records_name_the_likeliest_class():
    task = fitted()
    predictions = np.array([[0.2, 0.7, 0.1], [0.5, 0.2, 0.3]])
    records = task.records(predictions, np.array([True, True]))
    assert records[0] == {
        "label": "cat",
        "probability": 0.7,
        "probabilities": {"ant": 0.2, "cat": 0.7, "dog": 0.1},
    }
    assert records[1]["label"] == "ant"
    absent = task.records(predictions, np.array([False, True]))
    assert absent == [{**records[0], "label": None, "probability": None}, records[1]]


# Metrics, each computed another way.


@pytest.mark.parametrize("classes", [2, 5])
def test_metrics_are_those_of_their_formulas(classes):
    task, probabilities, encoded = sample(classes)
    predicted = probabilities.argmax(1)
    found = task.metrics(probabilities, encoded)
    hits = np.array([((predicted == k) & (encoded == k)).sum() for k in range(classes)])
    support, chosen = np.bincount(encoded, minlength=classes), np.bincount(predicted, minlength=classes)
    assert found["accuracy"] == pytest.approx(hits.sum() / 200)
    assert found["balanced_accuracy"] == pytest.approx((hits / support).mean())
    assert found["macro_precision"] == pytest.approx((hits / chosen).mean())
    assert found["macro_recall"] == pytest.approx((hits / support).mean())
    f1 = 2 * hits / (support + chosen)
    assert found["macro_f1"] == pytest.approx(f1.mean())
    assert found["weighted_f1"] == pytest.approx((f1 * support).sum() / 200)
    assert found["weighted_precision"] == pytest.approx((hits / chosen * support).sum() / 200)
    for name in ("micro_precision", "micro_recall", "micro_f1", "weighted_recall"):
        assert found[name] == pytest.approx(found["accuracy"])
    assert found["log_loss"] == pytest.approx(-np.log(probabilities[np.arange(200), encoded]).mean())
    areas, precisions = [], []
    for k in [1] if classes == 2 else range(classes):
        inside, outside = probabilities[encoded == k, k], probabilities[encoded != k, k]
        areas.append((inside[:, None] > outside[None]).mean())
        order = np.argsort(-probabilities[:, k])
        right = (encoded == k)[order]
        precisions.append((right.cumsum() / np.arange(1, 201))[right].mean())
    assert found["roc_auc"] == pytest.approx(np.mean(areas))
    assert found["average_precision"] == pytest.approx(np.mean(precisions))
    confusion = task.tables(probabilities, encoded)["confusion"]
    assert confusion["classes"] == task.classes
    assert np.array_equal(confusion["counts"], metrics.confusion_matrix(encoded, predicted))


def test_calibration_error_is_the_mean_gap_between_confidence_and_accuracy():
    task, probabilities, encoded = sample(3, rows=500)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == encoded
    expected = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert expected > 0.01
    assert task.metrics(probabilities, encoded)["ece"] == pytest.approx(expected)
    even = np.array([[0.75, 0.25]] * 4)
    assert fitted(["a", "b"]).metrics(even, np.array([0, 0, 0, 1]))["ece"] == pytest.approx(0)


@pytest.mark.filterwarnings("error")
def test_classes_that_the_rows_lack_are_left_out_and_give_no_nan():
    task, probabilities, encoded = sample(5)
    some = encoded < 2
    found = task.metrics(probabilities[some], encoded[some])
    areas = [metrics.roc_auc_score(encoded[some] == k, probabilities[some, k]) for k in (0, 1)]
    assert found["roc_auc"] == pytest.approx(np.mean(areas))
    assert all(np.isfinite(value) for value in found.values())
    one = encoded == 3
    alone = task.metrics(probabilities[one], encoded[one])
    assert not {"roc_auc", "average_precision"} & set(alone)
    assert alone["balanced_accuracy"] == pytest.approx((probabilities[one].argmax(1) == 3).mean())
    assert all(np.isfinite(value) for value in alone.values())
    with pytest.raises(MmcliError, match="no rows"):
        task.metrics(probabilities[:0], encoded[:0])


def test_a_certain_wrong_prediction_has_a_finite_log_loss():
    assert 30 < fitted(["a", "b"]).metrics(np.array([[1.0, 0.0]]), np.array([1]))["log_loss"] < 1000


def test_the_majority_baseline_predicts_the_train_rows_class():
    task = fitted()
    encoded = task.encode(["cat", "ant", "dog", "dog"])
    found = task.baselines(encoded)["majority"]
    assert found["accuracy"] == pytest.approx(1 / 4)
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["roc_auc"] == pytest.approx(0.5)
    assert found["log_loss"] == pytest.approx(-np.log([3 / 6, 1 / 6, 2 / 6, 2 / 6]).mean())


def test_a_class_of_half_a_surrogate_pair_is_refused():
    with pytest.raises(MmcliError, match="half a surrogate pair"):
        Classification().fit(["a", "\ud800"])


@pytest.mark.parametrize("classes", [2, 4])
def test_scores_of_rows_have_the_metrics_as_their_means(classes):
    task, probabilities, encoded = sample(classes)
    probabilities[3] = np.eye(classes)[(encoded[3] + 1) % classes]  # sure of what is wrong
    found = task.metrics(probabilities, encoded)
    scores = task.row_scores(probabilities, encoded)
    assert set(scores) == {"accuracy", "balanced_accuracy", "log_loss", "brier"}
    for name, each in scores.items():
        assert each.shape == (200,)
        assert each.mean() == pytest.approx(found[name], rel=1e-9)
    missing = encoded != 1  # a class that no row has counts in no average
    alone = task.row_scores(probabilities[missing], encoded[missing])["balanced_accuracy"].mean()
    assert alone == pytest.approx(task.metrics(probabilities[missing], encoded[missing])["balanced_accuracy"])


@pytest.mark.parametrize("classes", [2, 4])
def test_the_brier_score_is_scikit_learns(classes):
    task, probabilities, encoded = sample(classes)
    expected = metrics.brier_score_loss(encoded, probabilities if classes > 2 else probabilities[:, 1])
    assert task.metrics(probabilities, encoded)["brier"] == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_reliability_diagram_is_scikit_learns(classes):
    task, probabilities, encoded = sample(classes)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == encoded
    accuracies, means = calibration_curve(right, confidence, n_bins=15)
    bins = task.tables(probabilities, encoded)["calibration"]["bins"]
    assert [each["accuracy"] for each in bins] == pytest.approx(accuracies)
    assert [each["confidence"] for each in bins] == pytest.approx(means)
    assert sum(each["rows"] for each in bins) == len(encoded)
    gap = sum(each["rows"] * abs(each["accuracy"] - each["confidence"]) for each in bins) / len(encoded)
    assert task.metrics(probabilities, encoded)["ece"] == pytest.approx(gap)


# Classes among the likeliest, a threshold.


def test_top_k_accuracy_is_that_of_scikit_learn():
    for k in (2, 3):
        task, probabilities, encoded = sample(5, top_k=k)
        probabilities[:20] = np.array([0.125, 0.25, 0.125, 0.25, 0.25])  # some are equal
        expected = metrics.top_k_accuracy_score(encoded, probabilities, k=k)
        plain = sample(5)[0].metrics(probabilities, encoded)
        assert task.metrics(probabilities, encoded) == plain | {f"top_{k}_accuracy": pytest.approx(expected)}
        assert task.row_scores(probabilities, encoded)[f"top_{k}_accuracy"].mean() == pytest.approx(expected)
    with pytest.raises(MmcliError, match="top_k=3 needs more classes than the 3 of the train rows"):
        fitted(top_k=3)


def test_a_threshold_decides_and_changes_no_probability():
    task, probabilities, encoded = sample(2, threshold="0.3")
    plain = sample(2)[0].metrics(probabilities, encoded)
    found = task.metrics(probabilities, encoded)
    predicted = probabilities[:, 1] >= 0.3
    assert (predicted != probabilities.argmax(axis=1)).any()
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(encoded, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(encoded, predicted, average="macro"))
    for name in ("roc_auc", "average_precision", "log_loss", "ece"):
        assert found[name] == plain[name]
    scores = task.row_scores(probabilities, encoded)
    for name, each in scores.items():
        assert each.mean() == pytest.approx(found[name])
    counts = task.tables(probabilities, encoded)["confusion"]["counts"]
    assert np.array_equal(counts, metrics.confusion_matrix(encoded, predicted))
    records = task.records(probabilities, np.ones(200, bool))
    for record, row, second in zip(records, probabilities, predicted, strict=True):
        assert (record["label"], record["probability"]) == (task.classes[int(second)], row[int(second)])


def test_a_threshold_has_no_part_in_the_majority_baseline():
    task = fitted(["a", "a", "b"], threshold="0.1")
    assert task.baselines(np.array([0, 0, 0, 1]))["majority"]["accuracy"] == 0.75


def test_the_automatic_threshold_has_the_best_balanced_accuracy():
    task, probabilities, encoded = sample(2, threshold="auto")
    skewed = np.stack([1 - probabilities[:, 1] ** 3, probabilities[:, 1] ** 3], axis=1)
    tuned = task.tune(skewed, encoded)
    tried = [metrics.balanced_accuracy_score(encoded, skewed[:, 1] >= level) for level in np.linspace(0, 1, 5001)]
    found = tuned.metrics(skewed, encoded)["balanced_accuracy"]
    assert found == pytest.approx(max(tried))
    assert found > task.metrics(skewed, encoded)["balanced_accuracy"] + 0.05
    assert tuned.state().values["threshold"] == tuned.threshold < 0.5
    loaded = Classification()
    loaded.load_state(tuned.state())
    assert np.array_equal(loaded.decide(skewed), skewed[:, 1] >= tuned.threshold)
    alone = task.tune(skewed[encoded == 1], encoded[encoded == 1])  # nothing to tell apart
    assert alone.threshold == 0.5
    apart = task.tune(np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), np.array([0, 1, 1]))
    assert apart.threshold == pytest.approx(0.15)


@pytest.mark.parametrize("threshold", ["auto", "0.5"])
def test_a_threshold_of_more_than_two_classes_is_refused(threshold):
    with pytest.raises(MmcliError, match=r"threshold is for two classes, not the 3 found$"):
        fitted(threshold=threshold)


def test_options_that_were_not_asked_for_leave_no_trace():
    task = fitted()
    assert task.state().values == {"classes": ["ant", "cat", "dog"], "counts": [1, 3, 2]}
    assert not hasattr(task, "tune")
    options = {"loss": "focal", "gamma": 1.0, "label_smoothing": 0.1, "top_k": 2}
    assert fitted(**options).state().values == task.state().values | options
