"""Calibration of val rows: of one target and of several, after which thresholds are tuned."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax

from mmcli.evaluation.temperature import class_temperature, label_temperature
from mmcli.inference import calibration
from mmcli.inference.calibration import Calibration, calibrate
from mmcli.tasks.classification import Classification
from mmcli.tasks.multilabel import Multilabel
from mmcli.tasks.ordinal import Ordinal
from mmcli.tasks.regression import Regression
from mmcli.tasks.several import Several
from tests.heard import Heard


def classes_of(task=None, rows=300, seed=0, true=3.0):
    """Return a task of three classes, outputs that are too large, and classes drawn from the smaller ones."""
    random = np.random.default_rng(seed)
    task = task or Classification()
    task.fit(["0", "1", "2"])
    logits = random.normal(size=(rows, 3)) * 1.5
    classes = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    return task, torch.from_numpy(logits * true), classes


@pytest.mark.parametrize("kind", [Classification, Ordinal])
def test_outputs_are_divided_by_the_temperature_and_the_likeliest_class_stays(kind):
    task, outputs, classes = classes_of(kind())
    tuned, found = calibrate(task, outputs, classes, Heard())
    temperature = class_temperature(outputs.numpy(), classes)
    assert found.targets[""].temperature == temperature == pytest.approx(3, rel=0.3)
    after = tuned.predictions(found.scaled(tuned, outputs))
    assert np.log(after) == pytest.approx(log_softmax(outputs.numpy() / temperature, axis=1))
    assert (after.argmax(axis=1) == outputs.numpy().argmax(axis=1)).all()
    told = found.to_json()["metrics"]
    assert told["ece"] == [tuned.metrics(own, classes)["ece"] for own in (tuned.predictions(outputs), after)]
    assert told["ece"][1] < told["ece"][0] / 2
    assert found.targets[""].scores.tolist() == sorted(tuned.conformal_scores(after, classes))


def test_thresholds_are_tuned_on_calibrated_probabilities():
    random = np.random.default_rng(0)
    task = Multilabel()
    task.fit(["a|b", "c"])
    outputs = torch.from_numpy(random.normal(-1, 6, size=(400, 3)))
    truth = (random.random((400, 3)) < expit(outputs.numpy() / 4)).astype(np.uint8)
    tuned, found = calibrate(task, outputs, truth, Heard())
    temperature = label_temperature(outputs.numpy(), truth == 1)
    expected = task.tune(expit(outputs.numpy() / temperature), truth)
    assert tuned.state().values["thresholds"] == pytest.approx(expected.state().values["thresholds"])
    assert found.to_json()["temperature"] == temperature
    plain = task.tune(task.predictions(outputs), truth)
    before = plain.metrics(plain.predictions(outputs), truth)
    after = tuned.metrics(tuned.predictions(found.scaled(tuned, outputs)), truth)
    assert after["micro_f1"] == pytest.approx(before["micro_f1"])  # the same decisions, as each threshold moves along
    assert after["ece"] < before["ece"]


@pytest.mark.parametrize("kind", [Classification, Multilabel])
def test_probabilities_of_0_count_as_what_so_many_rows_cannot_tell_apart(kind):
    random = np.random.default_rng(0)
    task = kind()
    task.fit(["0", "1", "2"])
    shares = random.multinomial(5, [0.7, 0.2, 0.1], size=90) / 5  # of 5 neighbours
    outputs = np.log(shares.clip(1e-16)) - (np.log((1 - shares).clip(1e-16)) if kind is Multilabel else 0)
    classes = random.choice(3, p=[0.7, 0.2, 0.1], size=90)
    encoded = np.eye(3, dtype=np.uint8)[classes] if kind is Multilabel else classes
    tuned, found = calibrate(task, torch.from_numpy(outputs), encoded, Heard(), smoothed=True)
    temperature = found.targets[""].temperature
    assert 0.5 < temperature < 10
    if kind is Multilabel:
        smooth = (shares * 90 + 1) / 92
        expected = expit((np.log(smooth) - np.log(1 - smooth)) / temperature)
    else:
        powers = ((shares * 90 + 1) / 93) ** (1 / temperature)
        expected = powers / powers.sum(axis=1, keepdims=True)
    after = Calibration.from_state(found.state()).scaled(tuned, torch.from_numpy(outputs))
    assert tuned.predictions(after) == pytest.approx(expected)


def test_numbers_are_not_scaled_but_their_errors_are_kept():
    task = Regression()
    task.fit([0.0, 2.0])
    outputs = torch.tensor([[0.0], [1.0], [-1.0]])
    tuned, found = calibrate(task, outputs, np.array([1.5, 2.0, 1.0]), Heard())
    assert found.targets[""].scores.tolist() == [0.0, 0.5, 1.0]
    assert torch.equal(found.scaled(tuned, outputs), outputs)
    assert found.to_json() == {"rows": 3}


def test_each_of_several_targets_is_calibrated_on_the_rows_that_have_it():
    task = Several({"kind": Classification(), "size": Regression()})
    task.fit([{"kind": "a", "size": 1}, {"kind": "b", "size": 2}])
    random = np.random.default_rng(0)
    outputs = torch.from_numpy(random.normal(size=(60, 3)))
    rows = [{"kind": "ab"[random.integers(2)], "size": None if number < 20 else number} for number in range(60)]
    tuned, found = calibrate(task, outputs, task.encode(rows), Heard())
    temperature = class_temperature(outputs[:, :2].numpy(), np.array(["ab".index(row["kind"]) for row in rows]))
    assert found.targets["kind"].temperature == temperature
    assert (found.targets["kind"].rows, found.targets["size"].rows) == (60, 40)
    scaled = found.scaled(tuned, outputs)
    assert torch.equal(scaled[:, 2], outputs[:, 2])
    assert torch.allclose(scaled[:, :2], outputs[:, :2] / temperature)
    again = Calibration.from_state(found.state())
    assert again.to_json() == found.to_json()
    assert again.targets["size"].scores.tolist() == found.targets["size"].scores.tolist()


def test_a_target_that_no_val_row_has_is_not_calibrated():
    task = Several({"kind": Classification(), "other": Classification()})
    task.fit([{"kind": "a", "other": "x"}, {"kind": "b", "other": "y"}])
    outputs = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 4)))
    rows = [{"kind": "ab"[number % 2], "other": None} for number in range(40)]
    tuned, found = calibrate(task, outputs, task.encode(rows), Heard())
    assert list(found.targets) == ["kind"]
    assert torch.equal(found.scaled(tuned, outputs)[:, 2:], outputs[:, 2:])


def test_val_rows_that_are_all_right_leave_the_probabilities_and_say_so():
    task, outputs, _ = classes_of()
    heard = Heard()
    _, found = calibrate(task, outputs, outputs.argmax(dim=1).numpy(), heard)
    assert found.targets[""].temperature == 1
    assert heard.warnings == ["all 300 val rows are right, which tells no temperature: 1 is kept"]


def test_of_many_rows_some_scores_are_kept_at_random(monkeypatch):
    monkeypatch.setattr(calibration, "MOST_SCORES", 100)
    task, outputs, classes = classes_of()
    kept = [calibrate(task, outputs, classes, Heard())[1].targets[""] for _ in range(2)]
    assert kept[0].rows == 300
    assert len(kept[0].scores) == 100
    assert np.array_equal(kept[0].scores, kept[1].scores)
