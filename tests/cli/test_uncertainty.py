"""train --calibrate, --coverage and --abstain-below, from a table to predictions and reports."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.inference.model import TrainedModel
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.training.recorded import recorded_options
from tests.conftest import write_csv
from tests.heard import Heard

SPLITS = ["train", "val", "test"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Rows whose words and numbers tell a class and a price, with errors; features, and calibrated models."""
    folder = tmp_path_factory.mktemp("uncertain")
    random = np.random.default_rng(0)
    rows = []
    for number in range(360):
        label = number % 3
        told = label if random.random() < 0.7 else random.integers(3)
        words = " ".join(random.choice([["rose", "fire"], ["leaf", "moss"], ["sea", "ice"]][told], 2))
        size = label + random.normal(0, 0.8)
        rows.append(
            {
                "id": f"s{number}", "split": SPLITS[number // 3 % 3], "words": words, "size": f"{size:.4f}",
                "label": ["red", "green", "blue"][label], "price": f"{10 + 5 * label + random.normal(0, 2):.4f}",
            }
        )  # fmt: skip
    rows[2]["words"] = rows[2]["size"] = ""
    write_csv(folder / "table.csv", rows)
    preprocess(str(folder / "table.csv"), folder / "samples", text=["words"], numeric=["size"], target="label")
    extract_features(str(folder / "samples"), folder / "features")
    for name, options in {
        "plain": {},
        "model": {"calibrate": True},
        "price": {"calibrate": True, "target": ["price"]},
        "both": {"calibrate": True, "target": ["label", "price"]},
    }.items():
        train(str(folder / "features"), folder / name, epochs=6, lr=0.02, dropout=0.0, monitor="loss", **options)
    return folder


def answers(model, source, **options):
    return [row for group in predict(model, str(source), **options) for row in group]


def truth(work):
    with (work / "table.csv").open() as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_calibration_changes_nothing_but_the_probabilities(work):
    plain, calibrated = (Artifact(work / name).header for name in ("plain", "model"))
    weights = [(work / name / "network.safetensors").read_bytes() for name in ("plain", "model")]
    assert weights[0] == weights[1]
    assert plain["best_values"] == calibrated["best_values"]
    assert "calibrate" not in plain["parameters"]
    again = [recorded_options(Artifact(work / name), ("label",)).fit.calibrate for name in ("plain", "model")]
    assert again == [False, True]
    assert not list((work / "plain/state").glob("calibration*"))
    before, after = (evaluate(work / name, str(work / "features"), split="val").metrics for name in ("plain", "model"))
    assert before["metrics"]["accuracy"] == after["metrics"]["accuracy"]
    told = calibrated["calibration"]
    assert told["temperature"] != 1
    assert told["rows"] == 120
    for name in ("log_loss", "ece", "brier"):
        expected = [found["metrics"][name] for found in (before, after)]
        assert told["metrics"][name] == pytest.approx(expected, rel=1e-5)
    assert after["metrics"]["log_loss"] < before["metrics"]["log_loss"]
    assert after["subsets"]["words"]["log_loss"] != before["subsets"]["words"]["log_loss"]


def test_the_same_training_gives_the_same_bytes(work, tmp_path):
    options = {"epochs": 6, "lr": 0.02, "dropout": 0.0, "monitor": "loss"}
    train(str(work / "features"), tmp_path / "again", calibrate=True, **options)
    for name in ("artifact.json", "state/calibration.json", "state/calibration.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (work / "model" / name).read_bytes()


def test_raw_rows_and_features_have_the_same_probabilities_and_sets(work):
    asked = {"coverage": 0.9, "abstain_below": 0.6}
    raw, ready = (answers(work / "model", work / name, **asked) for name in ("table.csv", "features"))
    ready = {row["id"]: row for row in ready}
    assert len(raw) == len(ready) == 360
    for row in raw:
        own = ready[row["id"]]
        assert row["probabilities"] == pytest.approx(own["probabilities"], rel=1e-6)
        assert (row["set"], row["abstained"]) == (own["set"], own["abstained"])
    assert {len(row["set"]) for row in raw} == {1, 2, 3}


def test_sets_hold_the_classes_up_to_the_level_of_the_val_rows(work):
    trained = TrainedModel(work / "model")
    scores = trained.calibration.targets[""].scores
    level = scores[int(np.ceil(121 * 0.8)) - 1]
    val, found = [], answers(work / "model", work / "table.csv", coverage=0.8)
    for row in found:
        target = truth(work)[row["id"]]
        fits = {name: 0.0 if name == row["label"] else 1 - chance for name, chance in row["probabilities"].items()}
        if target["split"] == "val":
            val.append(fits[target["label"]])
        if row["label"] is None:
            assert row["set"] == ["blue", "green", "red"]
        else:
            assert row["set"] == [name for name in fits if fits[name] <= level + 1e-9]
    assert scores == pytest.approx(sorted(val), rel=1e-5, abs=1e-9)


def test_evaluate_measures_the_coverage_of_the_sets_that_predict_gives(work, mmcli, tmp_path):
    line = ("evaluate", work / "model", work / "features", "--coverage", "0.8", "--abstain-below", "0.6", "-o", "r")
    done = mmcli(*line)
    assert done.code == 0, done.err
    assert "sets that hold the truth with probability 0.8" in done.out
    assert "0.6 (asked)" in done.out
    found = json.loads((tmp_path / "r/metrics.json").read_text())["coverage"]
    rows = [json.loads(text) for text in (tmp_path / "r/predictions.jsonl").read_text().splitlines()]
    held = [row["target"] in row["set"] for row in rows]
    assert len(rows) == found["rows"] == 120
    assert found["measured"] == pytest.approx(np.mean(held))
    assert found["interval"][0] < found["measured"] < found["interval"][1]
    assert found["mean_size"] == pytest.approx(np.mean([len(row["set"]) for row in rows]))
    for name, own in found["by_class"].items():
        there = [inside for inside, row in zip(held, rows, strict=True) if row["target"] == name]
        assert own == {"coverage": pytest.approx(np.mean(there)), "rows": len(there)}
    table = json.loads((tmp_path / "r/selective.json").read_text())["thresholds"]
    (asked,) = [each for each in table if each["threshold"] == 0.6]
    kept = [row for row in rows if not row["abstained"]]
    assert asked["answered"] == pytest.approx(len(kept) / len(rows))
    assert asked["accuracy"] == pytest.approx(np.mean([row["label"] == row["target"] for row in kept]))
    gated = evaluate(work / "model", str(work / "features"), coverage=0.8, fail_if=["coverage.measured<1.1"])
    assert gated.failure is not None


def test_a_csv_of_predictions_has_empty_cells_where_the_model_abstains(work, tmp_path):
    heard = Heard()
    asked = {"coverage": 0.9, "abstain_below": 0.6, "reporter": heard}
    predict(work / "model", str(work / "table.csv"), tmp_path / "p.csv", **asked)
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    empty = [row for row in rows if row["abstained"] == "True"]
    assert 0 < len(empty) < len(rows)
    assert heard.notes == [f"abstained from {len(empty)} of 360 predictions: their probability is below 0.6"]
    for row in rows:
        assert (row["label"] == "") == (row["abstained"] == "True")
        highest = max(float(row[f"probability_{name}"]) for name in ("red", "green", "blue"))
        assert (highest < 0.6 or row["modalities"] == "") == (row["abstained"] == "True")
        assert set(row["set"].split("|")) <= {"red", "green", "blue"}


def test_numbers_get_an_interval_of_the_errors_on_val_rows(work):
    scores = TrainedModel(work / "price").calibration.targets[""].scores
    level = scores[int(np.ceil(121 * 0.9)) - 1]
    found = answers(work / "price", work / "table.csv", coverage=0.9)
    for row in found:
        if row["modalities"]:
            ends = [row["interval_low"], row["interval_high"]]
            assert ends == pytest.approx([row["value"] - level, row["value"] + level])
        else:
            assert (row["interval_low"], row["interval_high"]) == (None, None)
    coverage = evaluate(work / "price", str(work / "features"), coverage=0.9).metrics["coverage"]
    assert coverage["mean_width"] == pytest.approx(2 * level)
    assert "by_class" not in coverage


def test_each_of_several_targets_has_its_set_and_its_coverage(work, tmp_path):
    found = answers(work / "both", work / "table.csv", coverage=0.9, abstain_below=0.6)
    kinds, prices = ([row["targets"][name] for row in found] for name in ("label", "price"))
    assert all(own["label"] is None or own["label"] in own["set"] for own in kinds)
    assert any(own["abstained"] for own in kinds)
    assert not any("abstained" in own for own in prices)
    report = evaluate(work / "both", str(work / "features"), coverage=0.9)
    held = [
        own["interval_low"] <= float(truth(work)[row["id"]]["price"]) <= own["interval_high"]
        for row, own in zip(found, prices, strict=True)
        if truth(work)[row["id"]]["split"] == "test"
    ]
    assert report.metrics["coverage"]["price"]["measured"] == pytest.approx(np.mean(held))
    assert set(report.metrics["coverage"]) == {"label", "price"}
    assert "selective_label" in report.tables
    assert predict(work / "both", str(work / "table.csv"), tmp_path / "p.csv", coverage=0.9).predictions == 360


@pytest.mark.parametrize(
    "options",
    [
        {"model": "sklearn:naive_bayes"},
        {"method": "late_mean"},
        {"method": "stacking"},
        {"task": ["ordinal:order=blue|green|red"]},
        {"task": ["multilabel"]},
    ],
    ids=str,
)
def test_every_kind_of_model_can_be_calibrated(work, tmp_path, options):
    fit = {} if "model" in options else {"epochs": 2, "lr": 0.02}
    train(str(work / "features"), tmp_path / "m", calibrate=True, **fit, **options)
    told = Artifact(tmp_path / "m").header["calibration"]
    report = evaluate(tmp_path / "m", str(work / "features"), split="val", coverage=0.9).metrics
    assert told["metrics"]["ece"][1] == pytest.approx(report["metrics"]["ece"], abs=1e-5)
    assert report["coverage"]["measured"] >= 0.9  # of the rows that the level is from


def test_the_models_of_folds_are_calibrated_too(work, tmp_path):
    options = {"calibrate": True, "folds": 2, "keep": tmp_path / "kept", "model": "sklearn:naive_bayes"}
    train(str(work / "features"), tmp_path / "m", **options)
    models = [tmp_path / "m", *sorted((tmp_path / "kept").iterdir())]
    temperatures = [Artifact(model).header["calibration"]["temperature"] for model in models]
    assert len(set(temperatures)) == 3


def test_what_cannot_be_asked_for_is_one_line(work, mmcli, tmp_path):
    done = mmcli("predict", work / "plain", work / "table.csv", "--coverage", "0.9")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.endswith("plain does not know how wrong it is on val rows; train it again with --calibrate")
    with pytest.raises(UsageError, match="--coverage 1: expected a number between 0 and 1"):
        answers(work / "model", work / "table.csv", coverage=1)
    with pytest.raises(UsageError, match="needs predictions of one class each, which task regression"):
        answers(work / "price", work / "table.csv", abstain_below=0.5)
    with pytest.raises(UsageError, match="not with --explain inputs"):
        answers(work / "model", work / "table.csv", coverage=0.9, explain="inputs")
    for task in ("clustering", "retrieval", "captioning"):
        with pytest.raises(UsageError, match=f"--calibrate: task {task} predicts neither probabilities nor numbers"):
            train(str(work / "features"), tmp_path / "x", calibrate=True, task=[task])


def test_too_few_val_rows_give_sets_of_everything_and_say_how_many_are_needed(work):
    heard = Heard()
    asked = {"coverage": 0.999, "limit": 3, "reporter": heard}
    assert all(len(row["set"]) == 3 for row in answers(work / "model", work / "table.csv", **asked))
    (said,) = heard.warnings
    assert said.startswith("--coverage 0.999 needs at least 999 val rows, and the model was calibrated on 120")
    assert all(row["interval_low"] is None for row in answers(work / "price", work / "table.csv", **asked))
    found = evaluate(work / "price", str(work / "features"), coverage=0.999).metrics["coverage"]
    assert (found["measured"], found["mean_width"], found["level"]) == (1.0, None, None)


def test_a_damaged_calibration_is_one_line(work, tmp_path):
    shutil.copytree(work / "model", tmp_path / "m")
    (tmp_path / "m/state/calibration.json").write_text("{}")
    with pytest.raises(MmcliError, match=r"calibration\.json"):
        TrainedModel(tmp_path / "m")
