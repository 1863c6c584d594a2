"""Cross-validation: who is in which fold, what is measured, what is kept, and going on after an interrupt."""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pytest
from sklearn import metrics

from mmcli.errors import MmcliError, StoppedError, UsageError
from mmcli.stages.extract_features import extract_features
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.training.folds import draw_folds
from tests.conftest import run_mmcli, write_csv
from tests.stages.test_train import CtrlC, digests

QUICK = {"epochs": 6, "lr": 5e-3, "method": "concat"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """90 rows of three classes, in groups of two, a fifth each of val and test."""
    folder = tmp_path_factory.mktemp("folds")
    random = np.random.default_rng(0)
    rows = [
        {
            "id": f"s{number}", "split": ["train", "train", "train", "val", "test"][number // 2 % 5],
            "group": f"g{number // 2}", "label": "abc"[number // 2 % 3], "price": round(random.normal(), 3),
            **{f"x{column}": round(random.normal() + 2 * (number // 2 % 3 == column), 3) for column in range(3)},
        }
        for number in range(90)
    ]  # fmt: skip
    write_csv(folder / "table.csv", rows)
    preprocess(str(folder / "table.csv"), folder / "samples", numeric=["features=x*"], target="label", group_by="group")
    extract_features(str(folder / "samples"), folder / "features")
    train(str(folder / "features"), folder / "model", folds=3, keep=folder / "kept", **QUICK)
    return folder


def predictions(model):
    return [json.loads(line) for line in (model / "out_of_fold.jsonl").read_text().splitlines()]


def table(place):
    with (place / "table.csv").open() as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_every_train_row_is_predicted_once_by_a_model_that_had_not_seen_its_group(place):
    rows, given = predictions(place / "model"), table(place)
    assert [row["id"] for row in rows] == [name for name, row in given.items() if row["split"] == "train"]
    assert Counter(row["fold"] for row in rows) == {1: 18, 2: 18, 3: 18}
    fold_of_group = {}
    for row in rows:
        assert fold_of_group.setdefault(given[row["id"]]["group"], row["fold"]) == row["fold"]
    assert all(Counter(given[row["id"]]["label"] for row in rows if row["fold"] == fold).most_common()[-1][1] >= 4
               for fold in (1, 2, 3))  # fmt: skip


def test_the_metrics_are_those_of_each_fold_and_of_all_rows(place):
    rows, given = predictions(place / "model"), table(place)
    found = json.loads((place / "model/folds.json").read_text())
    truth, said, fold = (
        np.array([of(row) for row in rows])
        for of in (lambda row: given[row["id"]]["label"], lambda row: row["label"], lambda row: row["fold"])
    )
    each = [metrics.accuracy_score(truth[fold == number], said[fold == number]) for number in (1, 2, 3)]
    spread = found["metrics"]["accuracy"]
    assert spread["values"] == pytest.approx(each)
    assert (spread["mean"], spread["std"]) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
    assert found["pooled"]["metrics"]["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
    low, high = found["pooled"]["intervals"]["accuracy"]
    assert low < np.mean(each) < high
    header = Artifact(place / "model").header
    assert header["cross_validation"]["metrics"] == found["metrics"]


def test_a_model_of_a_fold_learnt_nothing_of_its_rows(place, tmp_path):
    """Other targets and features of the rows of fold 1 change no bit of its model, and those of test of no model."""
    rows, given = predictions(place / "model"), table(place)
    for row in rows:
        if row["fold"] == 1:
            given[row["id"]] |= {"x0": "50", "x1": "-3"}
    write_csv(tmp_path / "table.csv", list(given.values()))
    preprocess(
        str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["features=x*"], target="label", group_by="group",
        like=None,
    )  # fmt: skip
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    train(str(tmp_path / "features"), tmp_path / "model", folds=3, keep=tmp_path / "kept", **QUICK)
    before, after = (
        {number: (base / "kept" / f"fold-{number}" / "network.safetensors").read_bytes() for number in (1, 2, 3)}
        for base in (place, tmp_path)
    )
    assert before[1] == after[1]
    assert before[2] != after[2]
    assert before[3] != after[3]


def test_a_target_of_a_fold_changes_nothing_of_its_model(place, tmp_path):
    train(str(place / "features"), tmp_path / "model", target="price", folds=3, keep=tmp_path / "kept", **QUICK)
    rows, given = predictions(tmp_path / "model"), table(place)
    odd = next(row["id"] for row in rows if row["fold"] == 1)
    given[odd]["price"] = "100000"
    write_csv(tmp_path / "table.csv", list(given.values()))
    preprocess(
        str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["features=x*"], target="price", group_by="group"
    )
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    other = {"folds": 3, "keep": tmp_path / "others", **QUICK}
    train(str(tmp_path / "features"), tmp_path / "other", target="price", **other)
    one, two = (digests(tmp_path / name / "fold-1") for name in ("kept", "others"))
    assert one["network.safetensors"] == two["network.safetensors"]
    assert one["state/task.json"] == two["state/task.json"]


@pytest.mark.parametrize("task", ["classification", "classification:threshold=auto"])
def test_rows_of_all_folds_are_measured_together_only_where_models_decide_alike(place, tmp_path, task):
    with (place / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["two"] = str(float(row["price"]) > 0.7)  # a matter of chance, so that each fold has its own threshold
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["features=x*"], target="two")
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    train(str(tmp_path / "features"), tmp_path / "model", task=task, folds=3, keep=tmp_path / "kept", **QUICK)
    found = json.loads((tmp_path / "model/folds.json").read_text())
    states = [json.loads((tmp_path / f"kept/fold-{number}/state/task.json").read_text()) for number in (1, 2, 3)]
    assert ("pooled" in found) is (len({state.get("threshold") for state in states}) == 1)
    assert ("pooled" in found) is (task == "classification")


def test_the_model_is_the_one_that_all_train_rows_give(place, tmp_path):
    train(str(place / "features"), tmp_path / "plain", **QUICK)
    assert digests(tmp_path / "plain")["network.safetensors"] == digests(place / "model")["network.safetensors"]


def test_models_of_folds_are_kept_only_where_asked(place, tmp_path):
    assert sorted(path.name for path in (place / "kept").iterdir()) == ["fold-1", "fold-2", "fold-3"]
    assert Artifact(place / "kept/fold-2").header["fold"] == [2, 3]
    train(str(place / "features"), tmp_path / "model", folds=3, **QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert digests(tmp_path / "model") == digests(place / "model")
    train(str(place / "features"), tmp_path / "model", folds=3, keep=tmp_path / "kept", **QUICK)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["fold-1", "fold-2", "fold-3"]
    assert digests(tmp_path / "kept") == digests(place / "kept")
    assert digests(tmp_path / "model") == digests(place / "model")


@pytest.mark.parametrize(("steps", "fold"), [(2, 1), (12, 2)])
def test_an_interrupted_cross_validation_goes_on_and_ends_the_same(place, tmp_path, steps, fold):
    with pytest.raises(StoppedError, match=f"stopped in fold {fold} of 3; run the same command to continue"):
        train(str(place / "features"), tmp_path / "model", folds=3, reporter=CtrlC(steps), **QUICK)
    assert [path.name for path in tmp_path.iterdir()] == [".model.folds.partial"]
    kept = [Artifact(path).header["stopped"] for path in sorted((tmp_path / ".model.folds.partial").iterdir())]
    assert kept == [False] * (fold - 1) + [True]
    train(str(place / "features"), tmp_path / "model", folds=3, **QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert digests(tmp_path / "model") == digests(place / "model")


def test_the_same_command_again_does_nothing(place, tmp_path):
    written = (place / "model/run.json").read_bytes()
    train(str(place / "features"), place / "model", folds=3, keep=place / "kept", **QUICK)
    assert (place / "model/run.json").read_bytes() == written


def test_folds_of_numbers_need_no_classes(place, tmp_path):
    train(str(place / "features"), tmp_path / "model", target="price", task="regression", folds=2, **QUICK)
    found = json.loads((tmp_path / "model/folds.json").read_text())
    rows = predictions(tmp_path / "model")
    truth, said = (np.array([float(row[key]) for row in rows]) for key in ("target", "value"))
    assert found["pooled"]["metrics"]["r2"] == pytest.approx(metrics.r2_score(truth, said))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "--folds 1: expected at least 2"),
        ({"folds": 28}, "--folds 28: there are only 27 train rows, or groups of them"),
        ({"keep": "here"}, "keeps the models of folds; set their number with --folds"),
    ],
)
def test_invalid_options_are_refused_in_one_line(place, tmp_path, options, message):
    options = {name: tmp_path / value if name == "keep" else value for name, value in options.items()}
    with pytest.raises((MmcliError, UsageError)) as error:
        train(str(place / "features"), tmp_path / "model", **{**QUICK, **options})
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_the_command_shows_each_fold(place, tmp_path):
    found = run_mmcli("train", place / "features", "-o", tmp_path / "model", "--folds", 2, "--epochs", 2)
    assert found.code == 0
    assert "2-fold cross-validation on 54 train rows" in found.out
    summary = run_mmcli("train", place / "features", "-o", tmp_path / "model", "--folds", 2, "--epochs", 2, "--json")
    assert json.loads(summary.out)["details"]["cross_validation"]["folds"] == 2


def test_folds_have_their_share_of_every_class_and_do_not_depend_on_the_order_of_rows():
    names = [f"id {number}" for number in range(103)]
    classes = [0] * 50 + [1] * 50 + [2] * 3
    folds = draw_folds(names, 0, count=5, strata=classes)
    for label, count in ((0, 10), (1, 10)):
        assert np.bincount(folds[np.array(classes) == label], minlength=5).tolist() == [count] * 5
    assert np.bincount(folds, minlength=5).max() - np.bincount(folds, minlength=5).min() <= 1
    order = np.random.default_rng(0).permutation(103)
    shuffled = draw_folds([names[place] for place in order], 0, count=5, strata=[classes[place] for place in order])
    assert np.array_equal(shuffled, folds[order])
