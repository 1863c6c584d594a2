"""Numbers and labels through all stages: what is learnt, measured, answered, and said of targets that cannot be."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas
import pytest
from sklearn import metrics

from mmcli.errors import MmcliError, UsageError
from mmcli.inference.model import TrainedModel
from mmcli.inference.prediction_file import write_predictions
from mmcli.stages.compare import compare
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.inspect import inspect
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.conftest import make_table, run_mmcli, write_csv
from tests.heard import Heard
from tests.stages.test_train import digests

LEVEL = {"red": 1.0, "green": 3.0, "blue": 5.0}
TAGS = {"red": "warm|loud", "green": "cool | calm", "blue": "cool"}
QUICK = {"epochs": 25, "lr": 5e-3}
TASKS = {
    "number": "regression", "log": "regression:log=true,loss=huber", "interval": "regression:loss=quantile",
    "labels": "multilabel", "rare": "multilabel:loss=asymmetric",
}  # fmt: skip


def column_of(name):
    return "tags" if TASKS[name].startswith("multilabel") else "price"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The small table with a number and labels beside each class, one row of nothing, and models of both."""
    folder = tmp_path_factory.mktemp("tasks")
    make_table(folder)
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    random = np.random.default_rng(0)
    for row in rows:
        row["price"] = f"{1000 * (LEVEL[row['label']] + random.normal(0, 0.1)):.2f}"
        row["tags"] = TAGS[row["label"]]
        row["is_red"] = str(row["label"] == "red")
    rows[5]["tags"] = "|"
    rows[11]["tags"] = "cool|unheard"  # of val
    rows[14]["tags"] = "unheard|odd"  # of test
    assert [rows[number]["split"] for number in (5, 11, 14)] == ["train", "val", "test"]
    rows[13] |= {"words": "", "picture": "", "size": ""}
    write_csv(folder / "table.csv", rows)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], numeric=["size"],
        target="price", image_size=32,
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features")
    fuse([str(folder / "features")], folder / "fused", method="concat")
    for name, task in TASKS.items():
        target = column_of(name)
        train(str(folder / "fused"), folder / name, task=task, target=target, **QUICK)
    return folder


def answers(model, source, **options):
    return [row for group in predict(model, str(source), **options) for row in group]


def numbers(rows):
    """Every number that the answers hold, (rows, numbers)."""
    if "value" in rows[0]:
        return np.array([[row[name] for name in ("low", "value", "high") if name in row] for row in rows]) / 1000
    return np.array([list(row["probabilities"].values()) for row in rows])


@pytest.mark.parametrize("name", TASKS)
def test_raw_rows_and_every_artifact_of_the_chain_give_the_same_answers(place, name):
    raw = answers(place / name, place / "table.csv")
    assert len(raw) == 60
    for stage in ("samples", "features", "fused"):
        stored = answers(place / name, place / stage)
        np.testing.assert_allclose(numbers(stored), numbers(raw), atol=1e-4)
        assert [row["status"] for row in stored] == [row["status"] for row in raw]


@pytest.mark.parametrize("name", ["number", "log", "interval"])
def test_numbers_are_learnt_and_measured_as_scikit_learn_measures_them(place, tmp_path, name):
    report = evaluate(place / name, str(place / "fused"), tmp_path / "report", split="test")
    found = json.loads((tmp_path / "report/metrics.json").read_text())
    assert found == report.metrics
    assert found["task"] == "regression"
    written = {path.name for path in (tmp_path / "report").glob("*.json*")}
    assert written >= {"artifact.json", "metrics.json", "predictions.jsonl", "run.json"}
    assert not written & {"confusion.json", "calibration.json"}
    rows = [json.loads(line) for line in (tmp_path / "report/predictions.jsonl").read_text().splitlines()]
    truth, value = (np.array([float(row[key]) for row in rows]) for key in ("target", "value"))
    assert found["n"] == len(rows) == 12
    assert found["without_modalities"] == 1
    assert found["metrics"]["mae"] == pytest.approx(metrics.mean_absolute_error(truth, value))
    assert found["metrics"]["r2"] == pytest.approx(metrics.r2_score(truth, value))
    assert found["metrics"]["r2"] > 0.5
    assert found["metrics"]["mae"] < 0.5 * min(each["mae"] for each in found["baselines"].values())
    assert {"r2", "rmse", "mae", "mape", "pearson"} <= set(found["intervals"])
    for metric, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][metric] <= high
    assert set(found["subsets"]) == {"picture", "table", "words", "picture+table", "picture+words", "table+words"}
    if name == "interval":
        inside = [row["low"] <= float(row["target"]) <= row["high"] for row in rows]
        assert found["metrics"]["coverage"] == pytest.approx(np.mean(inside))


@pytest.mark.parametrize("name", ["labels", "rare"])
def test_labels_are_learnt_and_measured_as_scikit_learn_measures_them(place, tmp_path, name):
    heard = Heard()
    evaluate(place / name, str(place / "fused"), tmp_path / "report", split="test", reporter=heard)
    assert heard.warnings == [
        "the targets have 2 labels that the model was not trained on (unheard, odd): they are ignored"
    ]
    found = json.loads((tmp_path / "report/metrics.json").read_text())
    rows = [json.loads(line) for line in (tmp_path / "report/predictions.jsonl").read_text().splitlines()]
    names = ["calm", "cool", "loud", "warm"]
    assert list(rows[0]["probabilities"]) == names
    assert (found["unknown_labels"], found["unknown_targets"]) == (2, 0)
    truth = np.array([[name in row["target"].replace("|", " ").split() for name in names] for row in rows])
    assert found["metrics"]["map"] == pytest.approx(metrics.average_precision_score(truth, numbers(rows)))
    assert found["metrics"]["map"] > 0.8 > found["baselines"]["prior"]["map"]
    assert {"map", "micro_f1", "macro_f1", "samples_f1", "hamming"} <= set(found["intervals"])
    assert [row["labels"] for row in rows if not row["modalities"]] == [None]
    thresholds = TrainedModel(place / name).task.state().values["thresholds"]
    for row in rows:
        if row["modalities"]:
            chosen = zip(row["probabilities"].items(), thresholds, strict=True)
            assert row["labels"] == [label for (label, value), level in chosen if value >= level]


def test_classes_in_an_order_are_learnt_measured_and_answered(place, tmp_path):
    names = ["red", "green", "blue"]
    train(str(place / "fused"), tmp_path / "model", task="ordinal:order=red|green|blue", target="label", **QUICK)
    found = evaluate(tmp_path / "model", str(place / "fused"), tmp_path / "report", split="test").metrics
    rows = [json.loads(line) for line in (tmp_path / "report/predictions.jsonl").read_text().splitlines()]
    assert all(list(row["probabilities"]) == names for row in rows)
    below = np.cumsum([list(row["probabilities"].values()) for row in rows], axis=1)
    rank = np.argmax(below >= 0.5, axis=1)
    assert all(
        row["label"] == (names[place] if row["modalities"] else None) for row, place in zip(rows, rank, strict=True)
    )
    truth = np.array([names.index(row["target"]) for row in rows])
    assert found["task"] == "ordinal"
    assert found["metrics"]["mae"] == pytest.approx(metrics.mean_absolute_error(truth, rank))
    assert found["metrics"]["quadratic_kappa"] == pytest.approx(
        metrics.cohen_kappa_score(truth, rank, weights="quadratic")
    )
    assert found["metrics"]["mae"] < 0.5 * min(each["mae"] for each in found["baselines"].values())
    for metric, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][metric] <= high
    table = json.loads((tmp_path / "report/confusion.json").read_text())
    assert table == {"classes": names, "counts": metrics.confusion_matrix(truth, rank).tolist()}
    raw = answers(tmp_path / "model", place / "table.csv")
    stored = answers(tmp_path / "model", place / "features")
    assert [row["label"] for row in raw] == [row["label"] for row in stored]


def test_a_row_without_modalities_gets_the_prior(place):
    for name in TASKS:
        row = answers(place / name, place / "table.csv")[13]
        assert row["modalities"] == []
        np.testing.assert_array_equal(
            numbers([row])[0] * (1000 if "value" in row else 1), TrainedModel(place / name).task.prior()
        )


def test_thresholds_are_fitted_to_val_rows_and_kept(place, tmp_path):
    train(str(place / "fused"), tmp_path / "again", task="multilabel", target="tags", **QUICK)
    assert digests(tmp_path / "again") == digests(place / "labels")
    train(str(place / "fused"), tmp_path / "given", task="multilabel:threshold=0.9", target="tags", **QUICK)
    assert TrainedModel(tmp_path / "given").task.state().values["thresholds"] == [0.9] * 4
    told = TrainedModel(place / "labels").task
    rows = [row for row in Artifact(place / "fused").rows if row["split"] == "val"]
    predicted = [row for row in answers(place / "labels", place / "fused") if row["id"] in {row["id"] for row in rows}]
    plain = type(told)()
    plain.fit([row["tags"] for row in Artifact(place / "fused").rows if row["split"] == "train"])
    expected = plain.tune(numbers(predicted), plain.encode([row["tags"] for row in rows]))
    np.testing.assert_allclose(told.state().values["thresholds"], expected.state().values["thresholds"], atol=1e-6)


def test_a_threshold_of_two_classes_is_fitted_to_val_rows_and_decides(place, tmp_path):
    asked = {"target": "is_red", "class_weights": "effective", "epochs": 2}
    train(str(place / "fused"), tmp_path / "model", task="classification:loss=focal,threshold=auto", **asked)
    task = TrainedModel(tmp_path / "model").task
    found = {row["id"]: row for row in answers(tmp_path / "model", place / "table.csv")}
    rows = [row for row in Artifact(place / "fused").rows if row["split"] == "val"]
    second = np.array([found[row["id"]]["probabilities"]["true"] for row in rows])
    truth = np.array([row["is_red"] == "True" for row in rows])
    best = max(metrics.balanced_accuracy_score(truth, second >= level) for level in [0, *second])
    assert metrics.balanced_accuracy_score(truth, second >= task.threshold) == pytest.approx(best)
    for row in found.values():
        if row["modalities"]:
            assert row["label"] == str(row["probabilities"]["true"] >= task.threshold).lower()
            assert row["probability"] == row["probabilities"][row["label"]]
    train(str(place / "fused"), tmp_path / "never", task="classification:threshold=0.9999", **asked)
    report = evaluate(tmp_path / "never", str(place / "fused"), tmp_path / "report").metrics
    assert report["metrics"]["balanced_accuracy"] == 0.5
    assert report["intervals"]["balanced_accuracy"] == [0.5, 0.5]
    confusion = json.loads((tmp_path / "report/confusion.json").read_text())
    assert [row[1] for row in confusion["counts"]] == [0, 0]


@pytest.mark.parametrize("method", ["late_mean", "late_weighted", "stacking", "gated"])
@pytest.mark.parametrize("target", ["price", "tags"])
def test_methods_of_every_kind_learn_numbers_and_labels(place, tmp_path, method, target):
    heard = Heard()
    train(str(place / "features"), tmp_path / "model", method=method, target=target, reporter=heard, **QUICK)
    name = {"price": "regression", "tags": "multilabel"}[target]
    assert f"task: {name} of {target!r} (--task chooses)" in heard.notes
    report = evaluate(tmp_path / "model", str(place / "features")).metrics
    main = {"price": "r2", "tags": "map"}[target]
    assert report["metrics"][main] > 0.5
    assert report["metrics"][main] > next(iter(report["baselines"].values()))[main]
    assert len(report["subsets"]) == 6


def test_networks_on_stored_values_learn_numbers(place, tmp_path):
    encoders = ["picture=cnn:width=4,depth=2,dim=8", "words=embedding:dim=8", "table=mlp:dim=8"]
    for target in ("price", "tags"):
        train(str(place / "samples"), tmp_path / target, target=target, encoder=encoders, epochs=3, batch_size=16)
        assert np.isfinite(numbers(answers(tmp_path / target, place / "table.csv"))).all()


def test_rows_of_numbers_and_labels_can_be_mixed(place, tmp_path):
    preprocess(str(place / "table.csv"), tmp_path / "samples", image=["picture"], target="price", image_size=16)
    for target in ("price", "tags"):
        asked = {"encoder": ["picture=cnn:width=4,depth=2,dim=8"], "augment": ["picture=mixup"], "epochs": 2}
        train(str(tmp_path / "samples"), tmp_path / target, target=target, **asked)
        assert np.isfinite(numbers(answers(tmp_path / target, tmp_path / "samples"))).all()


def test_unseen_labels_of_val_rows_are_reported(place, tmp_path):
    heard = Heard()
    train(str(place / "fused"), tmp_path / "model", target="tags", epochs=1, reporter=heard)
    assert "the 'tags' of val rows has 1 labels that no train row has (unheard): left out" in heard.warnings


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"task": "regression", "target": "label"},
            MmcliError,
            r"sample 's000': its target \(column 'label'\) is 'red'",
        ),
        ({"task": "regression:los=mae"}, MmcliError, "did you mean 'loss'"),
        ({"task": "regresion:loss=mae"}, MmcliError, "unknown task 'regresion'; did you mean 'regression'"),
        ({"task": "auto:loss=mae"}, UsageError, "auto takes no options"),
        ({"class_weights": "balanced"}, UsageError, "regression has no classes"),
        ({"class_weights": "effective", "target": "tags"}, UsageError, "multilabel supports only none or balanced"),
        ({"task": "classification:gamma=-2"}, UsageError, "expected a gamma of 0 or more, not -2.0"),
        (
            {"task": "classification:threshold=auto", "target": "label"},
            MmcliError,
            "threshold is for two classes, not the 3 found",
        ),
        ({"monitor": "accuracy"}, MmcliError, "validation has no value 'accuracy': there are loss, mae"),
        ({"task": "ordinal", "target": "label"}, MmcliError, r"--task 'ordinal:order=blue\|green\|red'"),
        (
            {"task": "ordinal:order=red|green", "target": "label"},
            MmcliError,
            r"sample 's002': its target \(column 'label'\) is 'blue', expected one of red, green",
        ),
        (
            {"sampling": "over"},
            UsageError,
            "--sampling over: balances the classes of a single target, but this task has no classes",
        ),
    ],
)
def test_targets_that_do_not_fit_the_task_are_refused_in_one_line(place, tmp_path, options, error, message):
    with pytest.raises(error, match=message) as told:
        train(str(place / "fused"), tmp_path / "model", epochs=2, **options)
    assert "\n" not in str(told.value)


def test_a_number_of_which_there_is_no_logarithm_names_its_sample(place, tmp_path):
    with (place / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows[9]["price"] = "-3"
    source = write_csv(tmp_path / "table.csv", rows)
    preprocess(str(source), tmp_path / "samples", numeric=["size"], target="price")
    with pytest.raises(MmcliError, match=r"sample 's009'.*is '-3', expected a number above 0"):
        train(str(tmp_path / "samples"), tmp_path / "model", task="regression:log=true", encoder=["table=mlp:dim=4"])
    with pytest.raises(MmcliError, match=r"sample 's009'.*is '-3', expected a number above 0"):
        evaluate(place / "log", str(source), root=str(place), split="all")


def test_labels_come_in_lists_of_json_lines(place, tmp_path):
    with (place / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    labels = [[part.strip() for part in row["tags"].split("|") if part.strip()] for row in rows]
    lines = [json.dumps({**row, "tags": own}) for row, own in zip(rows, labels, strict=True)]
    (tmp_path / "table.jsonl").write_text("\n".join(lines))
    preprocess(str(tmp_path / "table.jsonl"), tmp_path / "samples", text=["words"], numeric=["size"], target="tags")
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    train(str(tmp_path / "features"), tmp_path / "model", **QUICK)
    assert Artifact(tmp_path / "model").header["task"] == "multilabel"
    assert evaluate(tmp_path / "model", str(tmp_path / "features")).metrics["metrics"]["map"] > 0.8


def test_files_hold_numbers_and_labels_in_every_form(place, tmp_path):
    for name, columns in {"interval": ["value", "low", "high"], "labels": ["labels"]}.items():
        wanted = answers(place / name, place / "table.csv")
        for suffix in ("jsonl", "csv", "parquet"):
            write_predictions(tmp_path / f"p.{suffix}", predict(place / name, str(place / "table.csv")))
        assert [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()] == wanted
        for table in (pandas.read_csv(tmp_path / "p.csv"), pandas.read_parquet(tmp_path / "p.parquet")):
            assert list(table.columns[: 1 + len(columns)]) == ["id", *columns]
            if name == "interval":
                np.testing.assert_allclose(table[columns], [[row[key] for key in columns] for row in wanted])
            else:
                assert [found if isinstance(found, str) else "" for found in table["labels"]] == [
                    "|".join(row["labels"] or []) for row in wanted
                ]
                np.testing.assert_allclose(table["probability_cool"], [row["probabilities"]["cool"] for row in wanted])


def test_methods_are_compared_by_the_main_metric_the_best_first(place, tmp_path):
    options = {"method": ["only:words", "concat"], "seeds": "2", "epochs": 5, "lr": 5e-3}
    found = compare(str(place / "features"), tmp_path / "number", keep=tmp_path / "kept", **options).found
    assert (found["metric"], found["task"]) == ("r2", "regression")
    means = [method["mean"] for method in found["methods"]]
    assert means == sorted(means, reverse=True)
    found = compare(str(place / "features"), tmp_path / "errors", metric="mae", **options).found
    means = [method["mean"] for method in found["methods"]]
    assert means == sorted(means)
    assert [method["p_value"] for method in found["methods"] if method["method"] == "concat"] != [None]
    train(str(place / "features"), tmp_path / "alone", method="concat", epochs=5, lr=5e-3, seed=0)
    labels = compare(
        str(place / "features"), tmp_path / "labels", target="tags", keep=tmp_path / "kept_labels", **options
    )
    assert labels.found["metric"] == "map"
    seed = next(each["best_seed"] for each in labels.found["methods"] if each["method"] == "concat")
    train(str(place / "features"), tmp_path / "same", target="tags", method="concat", epochs=5, lr=5e-3, seed=seed)
    assert digests(tmp_path / "same") == digests(tmp_path / "kept_labels" / "concat")


def test_the_command_line_shows_numbers_and_labels(place):
    shown = run_mmcli("evaluate", "interval", "fused", cwd=place)
    assert shown.code == 0, shown.err
    assert "regression, 12 rows of test" in shown.out
    for word in ("r2", "coverage", "95 % interval", "mean", "median", "picture+table"):
        assert word in shown.out
    assert "confusion" not in shown.out
    shown = run_mmcli("inspect", "labels", cwd=place)
    assert "multilabel of tags by concat" in shown.out
    assert "val map" in shown.out
    assert inspect(place / "labels")["parameters"]["task"] == "multilabel"
    wrong = run_mmcli("train", "fused", "-o", "no", "--task", "regression:loss=cubic", cwd=place)
    assert wrong.code == 2
    assert wrong.err.strip().count("\n") == 0
    assert "expected one of mse, mae, huber, quantile" in wrong.err


def test_a_pipe_ends_with_a_model_of_numbers(place, tmp_path):
    source = place / "table.csv"
    samples = run_mmcli(
        "preprocess", source, "-o", "s", "--text", "words", "--numeric", "size", "--target", "price", cwd=tmp_path
    )
    features = run_mmcli("extract-features", "-", "-o", "f", cwd=tmp_path, stdin=samples.out)
    fused = run_mmcli("fuse", "-", "-o", "u", cwd=tmp_path, stdin=features.out)
    made = run_mmcli("train", "-", "-o", "m", "--epochs", "2", cwd=tmp_path, stdin=fused.out)
    assert made.code == 0, made.err
    assert "task: regression of 'price'" in made.err
    assert "val r2" in made.out
    answered = run_mmcli(
        "predict", "m", "-", cwd=tmp_path, stdin='{"words": "sea ice", "size": 2}\n{"words": "rose"}\n'
    )
    assert [list(row)[:2] for row in answered.rows] == [["id", "value"]] * 2
    assert answered.rows[1]["status"] == {"table": "missing", "words": "ok"}
