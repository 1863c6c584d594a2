"""Several targets at once, some of them empty, through all stages; and columns of 0 and 1 as labels."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas
import pytest
from sklearn import metrics

from mmcli.errors import MmcliError, UsageError
from mmcli.inference.prediction_file import write_predictions
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.store.opening import open_samples
from tests.conftest import run_mmcli, write_csv
from tests.heard import Heard

COLOURS, SHAPES = ["red", "green", "blue"], ["round", "square"]
TARGETS = ["colour", "shape", "price"]
QUICK = {"epochs": 20, "lr": 5e-3, "method": "concat"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Words tell a colour and a shape, a number the price; some of them are empty, one colour is in no train row."""
    folder = tmp_path_factory.mktemp("several")
    random = np.random.default_rng(0)
    rows = []
    for number in range(120):
        colour, shape, size = COLOURS[number % 3], SHAPES[number % 2], random.normal()
        rows.append(
            {
                "id": f"s{number}", "split": ["train", "train", "train", "val", "test"][number // 6 % 5],
                "words": f"a {colour} {shape} thing", "size": round(size, 3), "colour": colour, "shape": shape,
                "price": round(10 * size + 20, 2), "is_red": int(colour == "red"), "is_round": str(shape == "round"),
            }
        )  # fmt: skip
    rows[0]["colour"] = rows[1]["shape"] = rows[24]["price"] = ""
    rows[25]["colour"] = "unheard"
    assert [rows[number]["split"] for number in (0, 1, 24, 25)] == ["train", "train", "test", "test"]
    write_csv(folder / "table.csv", rows)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["words"], numeric=["size"], target=TARGETS
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features")
    train(str(folder / "features"), folder / "model", **QUICK)
    return folder


def rows_of(report):
    return [json.loads(line) for line in (report / "predictions.jsonl").read_text().splitlines()]


def test_each_target_is_learnt_and_measured_on_the_rows_that_have_it(place, tmp_path):
    heard = Heard()
    evaluate(place / "model", str(place / "features"), tmp_path / "report", reporter=heard)
    found = json.loads((tmp_path / "report/metrics.json").read_text())
    rows = rows_of(tmp_path / "report")
    assert (found["task"], found["n"], len(rows)) == ("several", 24, 24)
    assert any("was not trained on ('colour unheard' × 1)" in warning for warning in heard.warnings)
    assert found["n_by_target"] == {"colour": 24, "shape": 24, "price": 23}
    for name in ("colour", "shape"):
        pairs = [
            (row["target"][name], row["targets"][name]["label"])
            for row in rows
            if row["target"][name] is not None  # one is of no train row: it is wrong
        ]
        truth, said = zip(*pairs, strict=True)
        assert found["metrics"][f"{name}.accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
        assert found["metrics"][f"{name}.macro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="macro"))
        assert found["metrics"][f"{name}.accuracy"] > 0.9 > found["baselines"]["majority"][f"{name}.accuracy"]
    pairs = [
        (float(row["target"]["price"]), row["targets"]["price"]["value"]) for row in rows if row["target"]["price"]
    ]
    assert len(pairs) == 23
    truth, said = zip(*pairs, strict=True)
    assert found["metrics"]["price.r2"] == pytest.approx(metrics.r2_score(truth, said))
    assert found["metrics"]["price.r2"] > 0.5
    for name, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][name] <= high
    assert {"colour.accuracy", "shape.macro_f1", "price.r2"} <= set(found["intervals"])
    assert found["subsets"]["words"]["colour.accuracy"] > 0.9 > found["subsets"]["table"]["colour.accuracy"]
    assert {path.stem for path in (tmp_path / "report").glob("confusion*")} == {"confusion_colour", "confusion_shape"}


def test_raw_rows_get_the_answers_of_stored_ones_and_tables_a_column_a_target(place, tmp_path):
    raw, stored = (
        [row for group in predict(place / "model", str(place / source)) for row in group]
        for source in ("table.csv", "features")
    )
    for one, other in zip(raw, stored, strict=True):
        assert one["targets"]["colour"]["label"] == other["targets"]["colour"]["label"]
        assert one["targets"]["price"]["value"] == pytest.approx(other["targets"]["price"]["value"], rel=1e-4)
    write_predictions(tmp_path / "out.csv", predict(place / "model", str(place / "table.csv")))
    table = pandas.read_csv(tmp_path / "out.csv")
    assert table["colour_label"].tolist() == [row["targets"]["colour"]["label"] for row in raw]
    assert {"shape_probability_round", "price_value", "status_words"} <= set(table.columns)


def test_tasks_of_their_own_and_fewer_targets(place, tmp_path):
    train(
        str(place / "features"), tmp_path / "model", target=["colour", "price"],
        task=["price=regression:loss=quantile"], **QUICK,
    )  # fmt: skip
    header = Artifact(tmp_path / "model").header
    assert header["columns"]["target"] == ["colour", "price"]
    assert header["parameters"]["task"] == ["price=regression:loss=quantile"]
    (answer,) = next(iter(predict(tmp_path / "model", str(place / "features"), limit=1)))
    assert set(answer["targets"]) == {"colour", "price"}
    assert set(answer["targets"]["price"]) == {"value", "low", "high"}


def test_columns_of_0_and_1_are_labels_of_one_task(place, tmp_path):
    train(
        str(place / "features"), tmp_path / "model", target=["is_red", "is_round"], task="multilabel", **QUICK
    )  # fmt: skip
    report = evaluate(tmp_path / "model", str(place / "features"))
    assert report.metrics["task"] == "multilabel"
    assert report.metrics["metrics"]["micro_f1"] > 0.9
    answers = [row for group in predict(tmp_path / "model", str(place / "features")) for row in group]
    with (place / "table.csv").open() as file:
        for row, answer in zip(csv.DictReader(file), answers, strict=True):
            wanted = [name for name in ("is_red", "is_round") if row[name] in ("1", "True")]
            if row["split"] == "train":
                assert answer["labels"] == wanted
    with pytest.raises(MmcliError, match="expected 0 or 1 in each column"):
        train(str(place / "features"), tmp_path / "other", target=["is_red", "colour"], task="multilabel", **QUICK)


def test_a_row_without_any_of_them_is_refused_unless_it_is_to_be_tested(place, tmp_path):
    with (place / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows[30] |= dict.fromkeys(TARGETS, "")
    write_csv(tmp_path / "table.csv", rows)
    arguments = ("-o", "samples", "--text", "words", *(part for name in TARGETS for part in ("--target", name)))
    found = run_mmcli("preprocess", "table.csv", *arguments, cwd=tmp_path)
    assert found.code == 1
    assert "line 32" in found.err
    assert "'s30' is in train and its targets (columns 'colour', 'shape', 'price') are all empty" in found.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": ["color=classification"]}, "unknown target 'color'; did you mean 'colour'"),
        ({"task": ["classification", "regression"]}, "classification was already given"),
        ({"task": ["shape=classification", "shape=regression"]}, "'shape' already has task classification"),
        ({"task": "several"}, "give several --target instead"),
        ({"task": ["shape=clasification"]}, "unknown task 'clasification'; did you mean 'classification'"),
        ({"target": ["colour", "weight"]}, "no column 'weight' for the target"),
        (
            {"task": ["price=regression:log=true"], "target": ["price", "shape"]},
            "expected 'price' to be a number above 0",
        ),
    ],
)
def test_invalid_options_are_refused_in_one_line(place, tmp_path, options, message):
    with pytest.raises((MmcliError, UsageError)) as error:
        train(str(place / "features"), tmp_path / "model", **{**QUICK, **options})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_a_late_method_is_refused_before_anything_is_learnt(place, tmp_path):
    fuse([str(place / "features")], tmp_path / "fused", method="late_mean")
    with pytest.raises(UsageError, match=r"late_mean.*a single kind of prediction"):
        train(str(tmp_path / "fused"), tmp_path / "model", epochs=1)


def test_estimators_learn_each_target_from_its_own_rows(place, tmp_path):
    from sklearn.linear_model import LogisticRegression

    fuse([str(place / "features")], tmp_path / "fused", method="concat")
    tasks = ["colour=classification", "shape=classification"]
    train(
        str(tmp_path / "fused"), tmp_path / "model", target=["colour", "shape"], task=tasks,
        model="sklearn:logistic_regression",
    )  # fmt: skip
    samples = open_samples(str(tmp_path / "fused"), ("fuse",))
    fused = samples.column("fused", np.arange(len(samples))).main.values
    rows = list(samples.rows)
    answers = [row for group in predict(tmp_path / "model", str(tmp_path / "fused")) for row in group]
    for name in ("colour", "shape"):
        train_rows = [number for number, row in enumerate(rows) if row["split"] == "train" and row[name]]
        alone = LogisticRegression(max_iter=1000, random_state=0)
        alone.fit(fused[train_rows].astype(np.float64), [rows[number][name] for number in train_rows])
        expected = alone.predict_proba(fused.astype(np.float64))
        found = [list(answer["targets"][name]["probabilities"].values()) for answer in answers]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_names_of_targets_may_hold_any_letters(place, tmp_path):
    names = {"colour": "in/out [/b]", "price": "temp [C] a=b"}
    with (place / "table.csv").open() as file:
        rows = [{names.get(key, key): value for key, value in row.items()} for row in csv.DictReader(file)]
    write_csv(tmp_path / "table.csv", rows)
    targets = list(names.values())
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", text=["words"], numeric=["size"], target=targets)
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    options = {"task": ["temp [C] a=b=regression"], "monitor": "temp [C] a=b.mae"}
    train(str(tmp_path / "features"), tmp_path / "model", **options, **QUICK)
    history = json.loads((tmp_path / "model/history.json").read_text())
    errors = [epoch["values"]["temp [C] a=b.mae"] for epoch in history["epochs"]]
    assert history["best"] == 1 + errors.index(min(errors))
    found = run_mmcli("evaluate", tmp_path / "model", tmp_path / "features", "-o", tmp_path / "report")
    assert found.code == 0
    assert "in/out [/b].accuracy" in found.out
    assert (tmp_path / "report/confusion_in_out_b_.json").exists()
    assert "in/out [/b].accuracy" in run_mmcli("inspect", tmp_path / "model").out
