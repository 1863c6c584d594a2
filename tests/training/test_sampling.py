"""Train rows drawn anew so that classes are equally frequent: how many, which, and that no other row is touched."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmcli.errors import UsageError
from mmcli.inference.model import TrainedModel
from mmcli.loop import TrainingOptions
from mmcli.networks.plan import NetworkPlan
from mmcli.reporting import Silent
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact, Roles
from mmcli.store.columns import FieldSpec, ModalitySpec, Ragged
from mmcli.tasks.classification import Classification
from mmcli.tasks.regression import Regression
from mmcli.training.augmenting import Augmentation
from mmcli.training.data import Examples, TrainingData
from mmcli.training.late import draw_folds, learn_combination, units
from mmcli.training.learner import Learner
from mmcli.training.plan import TrainingPlan
from mmcli.training.sampling import MADE, check_sampling, draw_rows, resample

COUNTS = (40, 12, 4, 1)


class Rows(list):
    def take(self, places):
        return [self[place] for place in places]


class Told(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def problem(counts=COUNTS, absent=0.0, seed=0, order=None):
    """Two modalities whose rows are near their class; val rows are the first twenty of the train rows."""
    random = np.random.default_rng(seed)
    encoded = random.permutation(np.repeat(np.arange(len(counts)), counts))
    values = {name: random.normal(size=(len(encoded), size)) + 3 * encoded[:, None] for name, size in SIZES.items()}
    present = {name: random.random(len(encoded)) >= absent for name in values}
    present["a"] |= ~present["b"]
    order = np.arange(len(encoded)) if order is None else order
    samples = SimpleNamespace(
        rows=Rows({"id": f"row {place}"} for place in order), roles=Roles("id", "split"), id_of=lambda row: row["id"]
    )
    train_rows = Examples(
        {name: torch.from_numpy(value.astype(np.float32)[order]) for name, value in values.items()},
        {name: torch.from_numpy(there[order]) for name, there in present.items()},
        torch.from_numpy(encoded[order]),
        np.arange(len(encoded)),
    )
    task = Classification()
    task.fit([str(index) for index in encoded])
    return TrainingData(task, train_rows, train_rows.take(torch.arange(20)), samples)


SIZES = {"a": 3, "b": 2}


def test_over_repeats_rows_of_rare_classes_and_keeps_every_row():
    data = problem()
    found = resample(data, "over", 0, Silent())
    assert np.bincount(found.encoded).tolist() == [40, 40, 40, 40]
    assert set(found.drawn.tolist()) == set(range(57))
    often = Counter(found.drawn.tolist())
    assert all(often[row] == 1 for row in np.flatnonzero(data.train.encoded == 0))


def test_under_leaves_rows_of_frequent_classes_out():
    data = problem(counts=(40, 12, 4))
    found = resample(data, "under", 0, Silent())
    assert np.bincount(found.encoded).tolist() == [4, 4, 4]
    assert len(set(found.drawn.tolist())) == 12
    assert set(np.flatnonzero(data.train.encoded == 2)) <= set(found.drawn.tolist())


@pytest.mark.parametrize("how", ["over", "under"])
def test_batches_are_of_the_rows_drawn(how):
    found = resample(problem(counts=(40, 12, 4)), how, 0, Silent())
    batches = list(found.batches(16, torch.Generator().manual_seed(0)))
    targets = torch.cat([batch.targets for batch in batches])
    assert torch.bincount(targets).tolist() == np.bincount(found.encoded).tolist()
    given = torch.cat([batch.features["a"] for batch in batches])
    expected = found.train.features["a"][found.drawn]
    assert torch.equal(given.sort(dim=0).values, expected.sort(dim=0).values)


@pytest.mark.parametrize("how", ["over", "under", "smote"])
def test_val_rows_are_as_they_were(how):
    data = problem()
    assert resample(data, how, 0, Silent()).val is data.val


@pytest.mark.parametrize("how", ["over", "under", "smote"])
def test_the_seed_decides_and_the_order_of_rows_does_not(how):
    def made(seed, order=None):
        found = resample(problem(order=order), how, seed, Silent())
        rows = slice(None) if found.drawn is None else found.drawn
        values = found.train.features["a"][rows].numpy()
        return values[np.lexsort(values.T)]

    assert np.array_equal(made(0), made(0))
    assert not np.array_equal(made(0), made(1))
    assert np.array_equal(made(0), made(0, np.random.default_rng(1).permutation(57)))


def on_a_segment(point, rows):
    """Whether a point lies between two of the rows: then their distances to it add up to that between them."""
    to = np.linalg.norm(rows - point, axis=1)
    between = np.linalg.norm(rows[:, None] - rows, axis=2)
    gap = np.abs(to[:, None] + to - between) + np.where(between == 0, np.inf, 0)
    return gap.min() < 1e-4


def side_by_side(examples):
    return np.concatenate([examples.features[name].numpy() for name in sorted(SIZES)], axis=1).astype(np.float64)


def test_smote_makes_rows_between_two_of_their_class():
    data, told = problem(), Told()
    found = resample(data, "smote", 0, told)
    assert np.bincount(found.encoded).tolist() == [40, 40, 40, 40]
    assert torch.equal(found.train.take(torch.arange(57)).features["b"], data.train.features["b"])
    assert (found.train.rows[57:] == MADE).all()
    old, new = side_by_side(data.train), side_by_side(found.train)[57:]
    for point, index in zip(new, found.encoded[57:], strict=True):
        own = old[data.train.encoded == index]
        if index == 3:
            assert np.allclose(point, own)
        else:
            assert on_a_segment(point, own)
            assert not (np.abs(own - point) < 1e-6).all(axis=1).any()
    assert any("1 classes have at most 5 rows" in note and "1 have a single row" in note for note in told.notes)


def test_a_made_row_has_what_both_its_rows_have():
    data = problem(counts=(60, 20), absent=0.5, seed=3)
    told = Told()
    found = resample(data, "smote", 0, told)
    old, new = data.train, found.train.take(torch.arange(80, len(found.train.rows)))
    assert all(there.dtype == torch.bool for there in new.present.values())
    assert torch.stack(list(new.present.values())).any(dim=0).all()
    rare = data.train.encoded == 1
    for name in SIZES:
        lacking = ~new.present[name].numpy()
        assert lacking.any()
        assert (new.features[name].numpy()[lacking] == 0).all()
        own = old.features[name].numpy()[rare & old.present[name].numpy()].astype(np.float64)
        for point in new.features[name].numpy()[~lacking].astype(np.float64):
            assert on_a_segment(point, own) or (np.abs(own - point) < 1e-4).all(axis=1).any()
    left_out = 40 - len(new.rows)
    assert any(f"{left_out} synthetic rows would have no modality" in note for note in told.notes) == (left_out > 0)


def test_rows_made_of_two_that_have_nothing_in_common_are_left_out():
    data, told = problem(counts=(6, 2, 12)), Told()
    for place, name in enumerate(SIZES):
        data.train.present[name][np.flatnonzero(data.train.encoded == 1)[place]] = False
    found = resample(data, "smote", 0, told)
    assert np.bincount(found.encoded).tolist() == [12, 2, 12]
    assert any("10 synthetic rows would have no modality and are left out" in note for note in told.notes)


def test_a_modality_that_is_absent_does_not_say_who_is_near():
    data = problem(counts=(30, 10), absent=0.5, seed=1)
    other = {
        name: torch.where(there[:, None], data.train.features[name], 1e6) for name, there in data.train.present.items()
    }
    again = replace(data, train=replace(data.train, features=other))
    first, second = (resample(each, "smote", 0, Silent()).train for each in (data, again))
    assert all(torch.equal(first.features[name][40:], second.features[name][40:]) for name in SIZES)


def test_one_class_alone_is_left_as_it_is():
    data = problem(counts=(15, 15))
    alone = replace(data, train=data.train.take(torch.from_numpy(np.flatnonzero(data.train.encoded == 0))))
    for how in ("over", "under", "smote"):
        assert resample(alone, how, 0, Silent()) is alone
    assert draw_rows(alone, "smote", 0).tolist() == list(range(15))


def test_weights_of_classes_that_were_made_equal_are_equal():
    learner, data = late_problem("late_mean", "over")
    weighted = replace(learner, class_weights="balanced")
    outputs, targets = torch.randn(8, 4), torch.arange(8) % 4
    plain = float(data.task.loss(outputs, targets))
    assert float(weighted.loss(learner.sampled(data, Silent()))(outputs, targets)) == pytest.approx(plain)
    assert float(weighted.loss(data)(outputs, targets)) != pytest.approx(plain)


def test_a_task_without_classes_and_rows_that_are_no_vectors_are_refused():
    data = problem()
    numbers = Regression()
    check_sampling("none", replace(data, task=numbers), [])
    with pytest.raises(
        UsageError, match="--sampling over: balances the classes of a single target, but this task has no classes"
    ):
        check_sampling("over", replace(data, task=numbers), [])
    check_sampling("over", data, ["photo"])
    with pytest.raises(UsageError, match="needs features that are vectors, unlike those of photo"):
        check_sampling("smote", data, ["photo"])
    steps = Ragged(np.zeros((57, 2), np.float32), np.arange(58))
    clips = replace(data, train=replace(data.train, features={**data.train.features, "clip": steps}))
    with pytest.raises(UsageError, match="unlike those of clip"):
        check_sampling("smote", clips, [])


# Where rows are left out to be predicted.


def late_problem(method, how):
    data = problem()
    form = {name: FieldSpec("dense", "float32", (size,), "D") for name, size in SIZES.items()}
    modalities = {name: ModalitySpec("tensor", name, None, "ab" * 32, {"": own}) for name, own in form.items()}
    plan = TrainingPlan(data.samples, {}, None, NetworkPlan(method, None, (), 0.0, 0.0, 0))
    options = TrainingOptions(epochs=2, lr=0.05, patience=None, monitor="log_loss")
    learner = Learner(plan, modalities, data.task, options, Augmentation({}, {}, 0.5), "none", "cpu", sampling=how)
    return learner, data


@pytest.mark.parametrize("how", ["over", "under", "smote"])
def test_no_fold_learns_from_a_row_it_predicts_or_one_made_of_it(how, monkeypatch):
    learner, data = late_problem("stacking", how)
    folds = draw_folds(units(data.samples, data.train.rows), 0)
    learnt, combined = [], []
    real = Learner.fit

    def fit(self, network, given, size, *rest):
        learnt.append(given)
        return real(self, network, given, size, *rest)

    def combine(combination, outputs, present, targets, loss, **rest):
        combined.append((outputs, present, targets))

    monkeypatch.setattr(Learner, "fit", fit)
    monkeypatch.setattr("mmcli.training.late.fit_combination", combine)
    kept = SimpleNamespace(find=lambda fold: None, keep=lambda fold, outputs: None)
    learn_combination(learner.build(Silent()), learner, data, 32, Silent(), kept, done=False)
    old = side_by_side(data.train)
    assert len(learnt) == 5
    for fold, given in enumerate(learnt):
        rest = np.flatnonzero(folds != fold)
        rows = given.train.rows if given.drawn is None else given.train.rows[given.drawn.numpy()]
        assert set(rows.tolist()) - {MADE} <= set(rest.tolist())
        counts = np.bincount(given.encoded)
        assert len(set(counts[counts > 0])) == 1
        made = given.train.rows == MADE
        for point, index in zip(side_by_side(given.train)[made], given.train.encoded[made], strict=True):
            own = old[rest[data.train.encoded[rest] == index]]
            assert on_a_segment(point, own) or np.allclose(point, own[0])
    ((outputs, present, targets),) = combined
    assert len(set(torch.bincount(targets).tolist())) == 1
    assert len(outputs) == len(targets) == len(present["a"]) == {"under": 4}.get(how, 160)


# By the command.


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """Vectors, sequences and numbers of sixty rows, most of them of one class."""
    folder = tmp_path_factory.mktemp("rare")
    random = np.random.default_rng(0)
    rows = []
    for number in range(80):
        label = [0, 0, 0, 0, 1, 0, 2, 0][number % 8]
        np.save(folder / f"clip{number}.npy", random.normal(label, 1, (random.integers(1, 6), 3)).astype("f4"))
        split = ["train", "train", "train", "val", "test"][number // 8 % 5]
        rows.append({
            "id": f"s{number}", "split": split, "clip": f"clip{number}.npy", "x": random.normal(label),
            "label": "abc"[label], "level": label, "number": random.normal(),
        })  # fmt: skip
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    preprocess(str(folder / "table.csv"), folder / "samples", tensor=["clip"], numeric=["x"], target="label")
    extract_features(str(folder / "samples"), folder / "features")
    return folder


@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("over", {"encoder": ["table=mlp"], "source": "samples"}),
        ("under", {"method": "attention"}),
        ("smote", {}),
        ("over", {"task": "ordinal", "target": "level", "method": "late_weighted"}),
    ],
)
def test_a_model_learns_from_what_was_sampled_and_is_evaluated_on_all_rows(rare, tmp_path, how, options):
    notes = Told()
    options = dict(options)
    source = str(rare / options.pop("source", "features"))
    train(source, tmp_path / "model", sampling=how, epochs=2, reporter=notes, device="cpu", **options)
    header = Artifact(tmp_path / "model").header
    assert header["parameters"]["sampling"] == how
    rows = {"over": 108, "smote": 108, "under": 18}[how]
    assert any(f"training on {rows} rows made of 48 train rows" in note for note in notes.notes)
    assert evaluate(tmp_path / "model", source, device="cpu").metrics["n"] == 16


def test_an_estimator_learns_from_what_was_sampled(rare, tmp_path):
    train(str(rare / "features"), tmp_path / "plain", model="sklearn:naive_bayes", device="cpu")
    train(str(rare / "features"), tmp_path / "over", model="sklearn:naive_bayes", sampling="over", device="cpu")
    shares = [TrainedModel(tmp_path / name).network.head.parts[0].class_prior_ for name in ("plain", "over")]
    np.testing.assert_allclose(shares[0], [3 / 4, 1 / 8, 1 / 8])
    np.testing.assert_allclose(shares[1], [1 / 3, 1 / 3, 1 / 3])


def test_a_training_that_samples_nothing_is_asked_as_ever(rare, tmp_path):
    train(str(rare / "features"), tmp_path / "model", epochs=1, device="cpu")
    assert "sampling" not in Artifact(tmp_path / "model").header["parameters"]


def test_sampling_where_there_is_nothing_to_sample_is_one_line(rare, tmp_path):
    with pytest.raises(UsageError, match="this task has no classes") as error:
        train(str(rare / "features"), tmp_path / "model", target="number", task="regression", sampling="over")
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="unlike those of table"):
        train(str(rare / "samples"), tmp_path / "model", sampling="smote", encoder=["table=mlp"])
    with pytest.raises(UsageError, match="unlike those of clip"):
        train(str(rare / "features"), tmp_path / "model", sampling="smote", method="attention")
