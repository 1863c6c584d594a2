"""Targets as the world writes them, from a table to metrics: read like inputs, or a line that says what to do."""

from __future__ import annotations

import csv
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from mmcli.errors import MmcliError, UsageError
from mmcli.stages.check import check
from mmcli.stages.compare import compare
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.tables.intake import take_in
from mmcli.tables.target_survey import TargetSurvey
from tests.configs import intake_config
from tests.conftest import write_csv
from tests.heard import Heard

QUICK = {"epochs": 12, "lr": 5e-3}
SPLITS = ("train", "train", "train", "val", "test")


def rows_of(count=100, seed=0, **columns):
    """Rows with two numbers, of which the first tells the target; columns are made of the row's number and that."""
    random = np.random.default_rng(seed)
    told = random.normal(size=count).round(3).tolist()
    return [
        {"id": f"s{n}", "x": f"{told[n] * 2:.3f}", "z": f"{random.normal():.3f}", "split": SPLITS[n // 2 % 5],
         **{name: make(n, told[n]) for name, make in columns.items()}}
        for n in range(count)
    ]  # fmt: skip


def chain(folder, rows, target="y", task="auto", heard=None, **options):
    """Preprocess and train; return the folders."""
    write_csv(folder / "table.csv", rows)
    preprocess(
        str(folder / "table.csv"), folder / "samples", numeric=["x", "z"], target=target, reporter=heard, **options
    )
    train(str(folder / "samples"), folder / "model", task=task, reporter=heard, **QUICK)
    return folder / "model", folder / "samples"


def answers_of(report):
    return [json.loads(line) for line in (report / "predictions.jsonl").read_text().splitlines()]


# Numbers.


@pytest.mark.parametrize(
    "write",
    [lambda value: f"{value:,.1f}", lambda value: f" {value:.1f}\t", lambda value: f"{value:,.1f}".replace(",", " ")],
)
def test_a_number_is_a_number_however_it_is_written(tmp_path, write):
    rows = rows_of(y=lambda n, told: write(5000 + 3000 * told))
    plain = [5000 + 3000 * float(row["x"]) / 2 for row in rows]
    heard = Heard()
    model, samples = chain(tmp_path, rows, heard=heard)
    assert not [warning for warning in heard.warnings if "target" in warning]
    found = evaluate(model, str(samples), tmp_path / "report").metrics
    assert found["task"] == "regression"
    truth = [round(value, 1) for row, value in zip(rows, plain, strict=True) if row["split"] == "test"]
    answers = answers_of(tmp_path / "report")
    assert [answer["target"] for answer in answers] == pytest.approx(truth)
    assert found["metrics"]["mae"] == pytest.approx(metrics.mean_absolute_error(truth, [a["value"] for a in answers]))


@pytest.mark.parametrize(
    ("write", "advised"),
    [
        (lambda value: f"${value:,.0f}", "write it without $"),
        (lambda value: f"{value:.2f}".replace(".", ","), "write a decimal point for the comma"),
        (lambda value: f"{value:.1f}%", "write it without %"),
        (lambda value: f"{value:.0f} EUR", "write it without EUR"),
    ],
)
def test_a_number_with_marks_is_one_line_with_the_way_to_write_it(tmp_path, write, advised):
    rows = rows_of(y=lambda n, told: write(5000 + 3000 * told))
    table = write_csv(tmp_path / "table.csv", rows)
    said = f"target 'y': not read as numbers because of cells such as {rows[0]['y']!r}; {advised}"
    for look in (check, lambda source, **options: preprocess(source, tmp_path / "samples", **options)):
        heard = Heard()
        look(str(table), numeric=["x"], target="y", reporter=heard)
        assert said in heard.warnings
    with pytest.raises(MmcliError) as error:
        train(str(tmp_path / "samples"), tmp_path / "model")
    assert str(error.value) == (
        f"target 'y': cells such as {rows[0]['y']!r} cannot be read as numbers; {advised}, "
        "or treat each value as a class with --task classification"
    )
    with pytest.raises(MmcliError, match="expected a number"):
        train(str(tmp_path / "samples"), tmp_path / "model", task="regression")


@pytest.mark.parametrize("nothing", ["NA", "n/a", "nan", "NULL", "-", "#N/A", "?", ""])
def test_a_cell_that_marks_a_missing_value_is_not_a_target(tmp_path, nothing):
    rows = rows_of(y=lambda n, told: nothing if n in (4, 6, 8, 18) else f"{told:.3f}")
    split = {rows[n]["split"] for n in (4, 6, 8, 18)}
    assert split == {"train", "val", "test"}
    write_csv(tmp_path / "table.csv", rows)
    with pytest.raises(MmcliError, match=r"table\.csv, line 6: sample 's4' is in train and its target .* is"):
        preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x"], target="y")
    heard = Heard()
    model, samples = chain(tmp_path, rows, empty_target="drop", heard=heard)
    shown = f" ({nothing!r} × 4)" if nothing else ""
    assert f"1 train and 1 val rows have no target{shown} and are dropped (--empty-target drop)" in heard.warnings
    assert [row["id"] for row in Artifact(samples).rows] == [f"s{n}" for n in range(100) if n not in (4, 6)]
    heard = Heard()
    found = evaluate(model, str(samples), tmp_path / "report", reporter=heard).metrics
    assert (found["task"], found["n"], found["without_target"]) == ("regression", 18, 2)
    assert heard.warnings == ["2 of 20 rows have no target: only the other 18 are measured"]
    raw = evaluate(model, str(tmp_path / "table.csv"), split="test").metrics
    assert (raw["n"], raw["without_target"]) == (18, 2)
    assert raw["metrics"] == pytest.approx(found["metrics"], abs=1e-5)


@pytest.mark.parametrize("nothing", ["NA", "null", "-"])
def test_nor_is_one_among_classes_that_are_numbers(tmp_path, nothing):
    rows = rows_of(y=lambda n, told: nothing if n in (4, 8) else str(int(told > 0)))
    write_csv(tmp_path / "table.csv", rows)
    with pytest.raises(MmcliError, match=r"line 6: sample 's4' is in train and its target .*, which marks"):
        preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x"], target="y")
    model, samples = chain(tmp_path, rows, empty_target="drop")
    found = evaluate(model, str(samples)).metrics
    assert (list(found["classes"]), found["n"], found["without_target"]) == (["0", "1"], 19, 1)


def test_nothing_is_learnt_of_a_row_that_is_left_out(tmp_path):
    rows = rows_of(y=lambda n, told: "" if n == 4 else f"{told:.3f}")
    rows[4]["x"] = "1e9"
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x"], target="y", empty_target="drop")
    values = Artifact(tmp_path / "samples").take("table", np.arange(99)).main.values[:, 0]
    numbers = np.array([float(row["x"]) for n, row in enumerate(rows) if n != 4])
    learnt = np.array([row["split"] == "train" for n, row in enumerate(rows) if n != 4])
    np.testing.assert_allclose(values, (numbers - numbers[learnt].mean()) / numbers[learnt].std(), atol=1e-5)


@pytest.mark.parametrize("odd", [".", "\\N", "#DIV/0!", "inf", "unknown", "1e999"])
def test_an_unexpected_cell_does_not_turn_numbers_into_classes(tmp_path, odd):
    rows = rows_of(y=lambda n, told: odd if n in (4, 8) else f"{told:.3f}")
    write_csv(tmp_path / "table.csv", rows)
    with pytest.raises(MmcliError, match=r"line 6: sample 's4' .* not a number like others \(in total .* × 2\)"):
        check(str(tmp_path / "table.csv"), numeric=["x"], target="y")
    heard = Heard()
    model, _ = chain(tmp_path, rows, empty_target="drop", heard=heard)
    assert f"1 train rows have no target ({odd!r} × 2) and are dropped (--empty-target drop)" in heard.warnings
    assert Artifact(model).header["task"] == "regression"


@pytest.mark.parametrize("odd", [".", "#DIV/0!", "12%"])
def test_an_unexpected_cell_of_a_test_row_is_not_a_target(tmp_path, odd):
    rows = rows_of(y=lambda n, told: odd if n in (8, 18) else f"{told:.3f}")
    heard = Heard()
    model, samples = chain(tmp_path, rows, heard=heard)
    assert f"2 test rows have no target ({odd!r} × 2): they are predicted but not evaluated" in heard.warnings
    for source in (samples, tmp_path / "table.csv"):
        heard = Heard()
        found = evaluate(model, str(source), reporter=heard).metrics
        assert (found["n"], found["without_target"]) == (18, 2)
        assert heard.warnings == [f"2 of 20 rows have no target ({odd!r} × 2): only the other 18 are measured"]
    for row in rows:
        row["y"] = odd if row["split"] == "test" else row["y"]
    write_csv(tmp_path / "none.csv", rows)
    with pytest.raises(MmcliError, match=r"none of the 20 rows of split 'test' has a target .* × 20\)"):
        evaluate(model, str(tmp_path / "none.csv"))


def test_an_unexpected_cell_affects_only_its_own_target(tmp_path):
    rows = rows_of(a=lambda n, told: "." if n == 8 else f"{told:.3f}", b=lambda n, told: "uv"[told > 0])
    model, samples = chain(tmp_path, rows, target=["a", "b"])
    found = evaluate(model, str(samples)).metrics
    assert (found["n"], found["n_by_target"]) == (20, {"a": 19, "b": 20})


def test_train_drops_unexpected_cells_with_empty_target_drop(tmp_path):
    rows = rows_of(price=lambda n, told: "." if n in (4, 6) else f"{told:.3f}")
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x", "z"])
    with pytest.raises(MmcliError, match=r"sample 's4': its target .* is '\.', expected a number"):
        train(str(tmp_path / "samples"), tmp_path / "model", target="price", **QUICK)
    heard = Heard()
    train(str(tmp_path / "samples"), tmp_path / "model", target="price", empty_target="drop", reporter=heard, **QUICK)
    assert "1 train and 1 val rows without a target ('.' × 2) are left out (--empty-target drop)" in heard.warnings


def test_the_wrong_rows_of_an_array_are_not_taken_for_rows_left_out(tmp_path):
    rows = rows_of(y=lambda n, told: "" if n in (0, 1, 7) else f"{told:.3f}")
    write_csv(tmp_path / "table.csv", rows)
    np.save(tmp_path / "a.npy", np.arange(100, dtype="f4")[:, None])
    preprocess(
        str(tmp_path / "table.csv"), tmp_path / "samples", tensor=[f"a={tmp_path / 'a.npy'}"], target="y",
        empty_target="drop",
    )  # fmt: skip
    samples = Artifact(tmp_path / "samples")
    kept = [n for n, row in enumerate(rows) if row["y"] or row["split"] == "test"]
    assert samples.take("a", np.arange(len(kept))).main.values[:, 0].tolist() == kept
    assert samples.header["splits"]["train"] == sum(rows[n]["split"] == "train" for n in kept)


def test_the_train_rows_decide_whether_a_column_is_numeric(tmp_path):
    rows = rows_of(y=lambda n, told: "odd" if SPLITS[n // 2 % 5] == "test" else "NA" if n == 0 else f"{told:.3f}")
    write_csv(tmp_path / "table.csv", rows)
    heard = Heard()
    preprocess(
        str(tmp_path / "table.csv"),
        tmp_path / "samples",
        numeric=["x"],
        target="y",
        empty_target="drop",
        reporter=heard,
    )
    assert len(Artifact(tmp_path / "samples")) == 99
    assert any("'odd' × 20" in warning for warning in heard.warnings)


def test_targets_named_only_in_train_are_read_in_the_same_way(tmp_path):
    rows = rows_of(price=lambda n, told: "NA" if n in (4, 8, 18) else f"{told:.3f}")
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x", "z"])
    with pytest.raises(MmcliError, match=r"sample 's4': its target .* is empty; .* --empty-target drop"):
        train(str(tmp_path / "samples"), tmp_path / "model", target="price", **QUICK)
    heard = Heard()
    train(str(tmp_path / "samples"), tmp_path / "model", target="price", empty_target="drop", reporter=heard, **QUICK)
    assert "1 train rows without a target are left out (--empty-target drop)" in heard.warnings
    assert Artifact(tmp_path / "model").header["task"] == "regression"
    found = evaluate(tmp_path / "model", str(tmp_path / "samples")).metrics
    assert (found["n"], found["without_target"]) == (18, 2)


# Classes.


def test_strata_are_classes_however_they_are_written(tmp_path):
    names = ["3", "3.0", " 3", "cafe\u0301", "café", "café "]
    rows = [{"id": str(n), "x": n, "y": names[n % 6]} for n in range(120)]
    write_csv(tmp_path / "table.csv", rows)
    options = intake_config(target="y", stratify="y", split_ratio="0.5,0.25,0.25")
    found = list(take_in(str(tmp_path / "table.csv"), options, Heard()).rows)
    for of_class in (range(3), range(3, 6)):
        splits = [row["split"] for row in found if names.index(row["y"]) in of_class]
        assert [splits.count(split) for split in ("train", "val", "test")] == pytest.approx([30, 15, 15], abs=1)


def test_white_space_and_unicode_forms_make_no_classes(tmp_path):
    def write(n, told):
        name = "café" if told > 0 else "thé"
        return (
            unicodedata.normalize("NFD", f" {name}" if n % 3 == 0 else name) if n % 4 == 0 else f"{name} "[: 5 - n % 2]
        )

    rows = rows_of(y=write)
    heard = Heard()
    model, samples = chain(tmp_path, rows, heard=heard)
    spaced = sum(row["y"] != row["y"].strip() for row in rows)
    formed = sum(row["y"] != unicodedata.normalize("NFC", row["y"]) for row in rows)
    assert spaced
    assert formed
    said = [warning for warning in heard.warnings if warning.startswith("target 'y'")]
    assert said[0].startswith(f"target 'y': white space around the class in {spaced} cells is ignored (")
    assert said[1].startswith(f"target 'y': {formed} cells are normalised to Unicode NFC (")
    assert check(str(tmp_path / "table.csv"), numeric=["x"], target="y").labels.keys() == {"café", "thé"}
    found = evaluate(model, str(samples), tmp_path / "report").metrics
    assert list(found["classes"]) == ["café", "thé"]
    assert (found["n"], found["unknown_targets"]) == (20, 0)
    answers = answers_of(tmp_path / "report")
    assert {answer["target"] for answer in answers} == {answer["label"] for answer in answers} == {"café", "thé"}
    truth, said = zip(*((answer["target"], answer["label"]) for answer in answers), strict=True)
    assert found["metrics"]["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["Yes", "yes", "no"] * 10,
         "classes that differ only in letter case or space are different classes ('Yes' × 10, 'yes' × 10)"),
        ([f"name{n}" for n in range(30)], "30 different values in 30 rows: nearly one class per row"),
        ([*(str(n) for n in range(28)), *"abcd"],
         "32 different values in 32 rows: nearly one class per row; numbers except 'a' × 1, 'b' × 1, "
         "'c' × 1, 'd' × 1"),
        (["true", "False", 1, 1],
         "true and false are different classes from 1 and 0 ('1' × 2, 'true' × 1, 'false' × 1)"),
        ([*"01" * 20, "unknown"], "numbers except 'unknown' × 1: these become classes of their own"),
        ([*["a", "b"] * 20, None, "", "None"],
         "'None' × 1: read as classes of their own; leave cells without a target empty"),
        ([f"{sign}{n}" for n in range(20) for sign in "\u2212+"],
         "40 different values in 40 rows: nearly one class per row; "
         "numbers except '\u22120' × 1, '\u22121' × 1, '\u22122' × 1, '\u22123' × 1, '\u22124' × 1 …"),
        ([*["a", "b"] * 20, "NA"], "'NA' × 1: read as classes of their own; leave cells without a target empty"),
    ],
)  # fmt: skip
def test_doubtful_classes_are_reported(cells, said):
    assert TargetSurvey.of("y", cells).warnings() == [f"target 'y': {said}"]


@pytest.mark.parametrize(
    "cells",
    [
        ["red", "green"] * 20,
        [str(n / 7) for n in range(60)],
        [*"01" * 20, "NA"],
        ["none", "mild", "severe"] * 10,
        [f"a caption of row {n}" for n in range(60)],
        [f"a{n}|b{n}" for n in range(60)],
        [str([f"a{n}", "b"]) for n in range(60)],
        [True, False] * 10,
        [["a"], ["b"]],
    ],
)
def test_others_are_not(cells):
    assert TargetSurvey.of("y", cells).warnings() == []


def test_check_preprocess_and_train_report_doubtful_classes(tmp_path):
    rows = rows_of(y=lambda n, told: ("Yes" if n % 7 == 0 else "yes") if told > 0 else "no")
    heard = Heard()
    check(str(write_csv(tmp_path / "table.csv", rows)), numeric=["x"], target="y", reporter=heard)
    chain(tmp_path, rows, heard=heard)
    assert sum("classes that differ only in letter case" in warning for warning in heard.warnings) == 3


def test_many_different_cells_are_counted_and_not_kept(tmp_path, monkeypatch):
    from mmcli.tables import target_survey

    monkeypatch.setattr(target_survey, "_MOST_KEPT", 10)
    survey = TargetSurvey.of("y", [*(str(n / 7) for n in range(200)), "NA", "odd"])
    assert survey.continuous
    assert len(survey._every) <= 12
    assert [survey.lacks(cell) for cell in ("NA", "odd", "3", "")] == [True, True, False, True]


# What a model was not trained on, and rows without a target.


def test_a_row_of_an_unseen_class_is_wrong(tmp_path):
    rows = rows_of(y=lambda n, told: "novel" if n == 8 else "pos" if told > 0 else "neg")
    assert rows[8]["split"] == "test"
    model, samples = chain(tmp_path, rows)
    heard = Heard()
    found = evaluate(model, str(samples), tmp_path / "report", reporter=heard)
    assert heard.warnings == [
        "1 of 20 rows have a class that the model was not trained on ('novel' × 1): they count as wrong, except in "
        "log_loss, roc_auc, average_precision, which ignore them"
    ]
    answers = answers_of(tmp_path / "report")
    truth, said = zip(*((answer["target"], answer["label"]) for answer in answers), strict=True)
    assert len(truth) == found.metrics["n"] == 20
    assert found.metrics["metrics"]["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
    assert found.metrics["metrics"]["macro_f1"] == pytest.approx(
        metrics.f1_score(truth, said, average="macro", zero_division=0)
    )
    assert found.metrics["classes"]["novel"] == {"precision": 0, "recall": 0, "f1": 0, "rows": 1}
    assert found.metrics["skipped_of_unknown"] == ["log_loss", "roc_auc", "average_precision"]
    assert found.tables["confusion"]["classes"] == ["neg", "pos", "novel"]
    low, high = found.metrics["intervals"]["accuracy"]
    assert low <= found.metrics["metrics"]["accuracy"] <= high


def test_a_split_some_of_whose_rows_lack_a_target_is_measured(tmp_path):
    rows = rows_of(y=lambda n, told: "" if n in (8, 18, 28) else "pos" if told > 0 else "neg")
    model, samples = chain(tmp_path, rows)
    heard = Heard()
    found = evaluate(model, str(samples), tmp_path / "report", reporter=heard).metrics
    assert (found["n"], found["without_target"]) == (17, 3)
    assert heard.warnings == ["3 of 20 rows have no target: only the other 17 are measured"]
    assert not {"s8", "s18", "s28"} & {answer["id"] for answer in answers_of(tmp_path / "report")}
    for row in rows:
        row["y"] = "" if row["split"] == "test" else row["y"]
    write_csv(tmp_path / "none.csv", rows)
    with pytest.raises(MmcliError, match=r"none\.csv: none of the 20 rows of split 'test' has a target"):
        evaluate(model, str(tmp_path / "none.csv"))


# Labels.


def test_lists_as_text_are_the_lists_that_json_has(tmp_path):
    def tags(n, told):
        return [name for name, there in (("high", told > 0), ("far", abs(told) > 1)) if there]

    found = {}
    for name, write in (("python", str), ("json", json.dumps), ("braces", lambda row: "{" + ",".join(row) + "}")):
        (tmp_path / name).mkdir()
        model, samples = chain(tmp_path / name, rows_of(y=lambda n, told, write=write: write(tags(n, told))))
        found[name] = evaluate(model, str(samples)).metrics
    (tmp_path / "lists").mkdir()
    lines = [json.dumps(row) + "\n" for row in rows_of(y=tags)]
    (tmp_path / "lists/table.jsonl").write_text("".join(lines))
    preprocess(str(tmp_path / "lists/table.jsonl"), tmp_path / "lists/samples", numeric=["x", "z"], target="y")
    train(str(tmp_path / "lists/samples"), tmp_path / "lists/model", **QUICK)
    expected = evaluate(tmp_path / "lists/model", str(tmp_path / "lists/samples")).metrics
    assert expected["task"] == "multilabel"
    assert list(expected["classes"]) == ["far", "high"]
    assert all(each == expected for each in found.values())


def test_empty_cells_mean_no_labels_with_empty_target_none(tmp_path):
    def tags(n, told):
        return ";".join(name for name, there in (("high", told > 0), ("far", abs(told) > 1)) if there)

    rows = rows_of(y=tags)
    empty = sum(not row["y"] for row in rows if row["split"] == "train")
    assert empty
    write_csv(tmp_path / "table.csv", rows)
    with pytest.raises(MmcliError, match="with --empty-target none an empty cell means no labels"):
        preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x"], target="y")
    model, samples = chain(tmp_path, rows, task="multilabel:separator=semicolon", empty_target="none")
    found = evaluate(model, str(samples), tmp_path / "report").metrics
    assert (found["n"], found["without_target"]) == (20, 0)
    state = json.loads((model / "state/task.json").read_text())
    train_rows = [row["y"].split(";") for row in rows if row["split"] == "train"]
    shares = [np.mean([label in row for row in train_rows]) for label in ("far", "high")]
    assert state["shares"] == pytest.approx(shares)
    truth = np.array(
        [[label in row["y"].split(";") for label in ("far", "high")] for row in rows if row["split"] == "test"]
    )
    said = np.array(
        [[label in answer["labels"] for label in ("far", "high")] for answer in answers_of(tmp_path / "report")]
    )
    assert found["metrics"]["exact"] == pytest.approx(metrics.accuracy_score(truth, said))
    assert found["metrics"]["hamming"] == pytest.approx(metrics.hamming_loss(truth, said))
    with pytest.raises(UsageError, match="--empty-target none: only the task multilabel supports it"):
        train(str(samples), tmp_path / "other", task="classification", **QUICK)


def test_empty_cells_of_label_columns_are_0_with_empty_target_none(tmp_path):
    rows = rows_of(high=lambda n, told: "1" if told > 0 else "", far=lambda n, told: "1" if abs(told) > 1 else "0")
    model, samples = chain(tmp_path, rows, target=["high", "far"], task="multilabel", empty_target="none")
    found = evaluate(model, str(samples)).metrics
    assert (found["n"], found["metrics"]["map"] > 0.8) == (20, True)


def test_a_row_of_json_lines_may_have_null_for_no_labels(tmp_path):
    rows = rows_of(y=lambda n, told: [name for name, there in (("high", told > 0), ("far", abs(told) > 1)) if there])
    found = []
    for name, empty in (("null", None), ("list", [])):
        lines = [json.dumps({**row, "y": row["y"] or empty}) + "\n" for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
        samples = tmp_path / f"{name}-samples"
        preprocess(str(tmp_path / f"{name}.jsonl"), samples, numeric=["x", "z"], target="y", empty_target="none")
        train(str(samples), tmp_path / name, **QUICK)
        found.append(evaluate(tmp_path / name, str(samples)).metrics)
    assert found[0] == found[1]


# The positive class.


@pytest.mark.parametrize(
    "names", [("healthy", "disease"), ("0", "1"), ("no", "yes"), ("False", "True"), ("1", "0"), ("good", "bad")]
)
def test_the_positive_class_is_named_and_can_be_chosen(tmp_path, names, mmcli):
    often, rare = names
    rows = rows_of(200, y=lambda n, told: rare if told > 0.8 else often)
    heard = Heard()
    model, samples = chain(tmp_path, rows, heard=heard)
    written = {name: name.lower() if name in ("True", "False") else name for name in names}
    assert Artifact(model).header["positive"] == written[rare]
    for asked, positive in (((), rare), ((often,), often), ((f" {rare} ",), rare)):
        found = evaluate(model, str(samples), tmp_path / "report", positive=asked, fresh=True).metrics
        assert found["positive"] == written[positive]
        answers = answers_of(tmp_path / "report")
        truth = [str(answer["target"]) for answer in answers]
        score = [answer["probabilities"][written[positive]] for answer in answers]
        own = [name == written[positive] for name in truth]
        assert found["metrics"]["average_precision"] == pytest.approx(metrics.average_precision_score(own, score))
        assert found["metrics"]["roc_auc"] == pytest.approx(metrics.roc_auc_score(own, score))
        said = [answer["label"] for answer in answers]
        for name, measure in (
            ("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score),
        ):  # fmt: skip
            expected = measure(truth, said, pos_label=written[positive], zero_division=0)
            assert found["metrics"][name] == found["classes"][written[positive]][name] == pytest.approx(expected)


def test_the_positive_class_of_train_stands_in_model_and_table(tmp_path, mmcli):
    rows = rows_of(y=lambda n, told: "rare" if told > 0.8 else "often")
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x"], target="y")
    done = mmcli("train", "samples", "-o", "model", "--epochs", "2", "--positive", "often")
    assert done.code == 0, done.err
    assert ", positive class 'often'" in done.out
    assert evaluate(tmp_path / "model", str(tmp_path / "samples")).metrics["positive"] == "often"
    done = mmcli("evaluate", "model", "samples", "--positive", "rare")
    assert "classification, 20 rows of test, positive class 'rare'" in done.out
    assert "each class\nclass  precision  recall  f1      rows" in done.out


def test_positive_classes_of_several_targets(tmp_path):
    rows = rows_of(
        a=lambda n, told: "rare" if told > 0.8 else "often", b=lambda n, told: "up" if told > 0.1 else "down",
        c=lambda n, told: f"{told:.3f}",
    )  # fmt: skip
    model, samples = chain(tmp_path, rows, target=["a", "b", "c"], task=["c=regression"])
    assert Artifact(model).header["positive"]["a"] == "rare"
    found = evaluate(model, str(samples), positive=["a=often", "b=down"]).metrics
    assert found["positive"] == {"a": "often", "b": "down"}
    assert found["metrics"]["a.f1"] == found["classes"]["a"]["often"]["f1"]
    for asked, said in (
        (["often"], "expected TARGET=LABEL for one of"),
        (["c=1"], "expected a classification task with two classes"),
        (["a=often", "a=rare"], "often was already given"),
        (["a=x"], "expected 'often' or 'rare'"),
    ):
        with pytest.raises(UsageError, match=said):
            evaluate(model, str(samples), positive=asked)


def test_folds_have_the_positive_class_of_all_train_rows(tmp_path):
    rows = rows_of(y=lambda n, told: "ab"[told > 0])
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["x", "z"], target="y")
    train(str(tmp_path / "samples"), tmp_path / "model", folds=4, **QUICK)
    found = json.loads((tmp_path / "model/folds.json").read_text())
    positive = Artifact(tmp_path / "model").header["positive"]
    lines = (tmp_path / "model/out_of_fold.jsonl").read_text().splitlines()
    truth, said = zip(*((row["target"], row["label"]) for row in map(json.loads, lines)), strict=True)
    assert found["pooled"]["metrics"]["f1"] == pytest.approx(metrics.f1_score(truth, said, pos_label=positive))


def test_a_comparison_takes_train_s_options_on_targets(tmp_path):
    rows = rows_of(state=lambda n, told: "" if n == 4 else "rare" if told > 0.8 else "often")
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["n=x", "z"])
    options = {"target": "state", "empty_target": "drop", "epochs": 2, "seeds": "1", "metric": "f1"}
    found = [
        compare(str(tmp_path / "samples"), tmp_path / name, positive=[name], method=["concat"], **options).found
        for name in ("often", "rare")
    ]
    assert [each["metric"] for each in found] == ["f1", "f1"]
    assert found[0]["baselines"]["majority"]["f1"] > 0 == found[1]["baselines"]["majority"]["f1"]


# Sources joined by id, and modalities that no train row has.


@pytest.fixture
def joined(tmp_path):
    """A function that makes features of two tables, of which the second has other cells in a column."""

    def make(**others):
        rows = rows_of(
            40, y=lambda n, told: "ab"[told > 0], who=lambda n, told: f"p{n % 9}", note=lambda n, told: "same"
        )
        for name, columns in (("one", {}), ("two", others)):
            own = [{**row, **{column: cell(n, row) for column, cell in columns.items()}} for n, row in enumerate(rows)]
            write_csv(tmp_path / f"{name}.csv", own)
            modality = {"one": "x", "two": "z"}[name]
            preprocess(
                str(tmp_path / f"{name}.csv"), tmp_path / f"{name}-samples", numeric=[f"{name}={modality}"],
                target="y", group_by="who",
            )  # fmt: skip
            extract_features(str(tmp_path / f"{name}-samples"), tmp_path / name)
        fuse([str(tmp_path / "one"), str(tmp_path / "two")], tmp_path / "fused", fresh=True)

    return make


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("y", lambda n, row: "b" if n in (3, 5) and row["y"] == "a" else "a" if n in (3, 5) else row["y"]),
        ("who", lambda n, row: "other" if n in (3, 5) else row["who"]),
        ("note", lambda n, row: "another" if n in (3, 5) else row["note"]),
    ],
)
def test_sources_that_contradict_each_other_are_refused(joined, column, cell):
    with pytest.raises(MmcliError) as error:
        joined(**{column: cell})
    assert f"contradict each other: column {column!r} of sample 's3' is " in str(error.value)
    assert "(2 samples differ)" in str(error.value)


def test_sources_may_differ_in_spelling_and_inputs(joined):
    joined(
        y=lambda n, row: f" {row['y']}",
        note=lambda n, row: "" if n % 2 else row["note"],
        z=lambda n, row: "1",
        x=lambda n, row: "2",
    )


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A table whose texts, vectors and numbers are there in test rows alone."""
    folder = tmp_path_factory.mktemp("empty")
    rows = rows_of(y=lambda n, told: "ab"[told > 0], words=lambda n, told: "some words")
    for row in rows:
        if row["split"] != "test":
            row["words"] = row["z"] = ""
    write_csv(folder / "table.csv", rows)
    return folder


def test_a_modality_that_no_train_row_has_stops_no_stage(empty):
    heard = Heard()
    preprocess(
        str(empty / "table.csv"),
        empty / "samples",
        text=["words"],
        numeric=["x", "vector=z"],
        target="y",
        reporter=heard,
    )
    assert "vector: empty in every train row, so nothing can be learnt from it; it is left out" in heard.warnings
    heard = Heard()
    extract_features(str(empty / "samples"), empty / "features", reporter=heard)
    assert heard.warnings == ["words: in no train row, so tfidf cannot be fitted to it; it is left out"]
    assert list(Artifact(empty / "features").modalities) == ["table"]
    fuse([str(empty / "features")], empty / "fused")
    train(str(empty / "fused"), empty / "model", **QUICK)
    assert evaluate(empty / "model", str(empty / "table.csv")).metrics["metrics"]["accuracy"] > 0.8


def test_a_model_does_not_look_at_what_no_train_row_has(empty, tmp_path):
    heard = Heard()
    preprocess(str(empty / "table.csv"), tmp_path / "samples", text=["words"], numeric=["x"], target="y")
    train(str(tmp_path / "samples"), tmp_path / "model", reporter=heard, **QUICK)
    assert "words: in no train row, so it is not trained" in heard.warnings
    answers = [row for rows in predict(tmp_path / "model", str(tmp_path / "samples")) for row in rows]
    assert {tuple(answer["modalities"]) for answer in answers} == {("table",)}
    (tmp_path / "other.csv").write_text((empty / "table.csv").read_text().replace("some words", "quite other ones"))
    others = [row for rows in predict(tmp_path / "model", str(tmp_path / "other.csv")) for row in rows]
    for one, other in zip(answers, others, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def test_where_no_modality_is_in_a_train_row_there_is_nothing_to_learn(empty, tmp_path):
    with pytest.raises(MmcliError, match=r"every train row lacks vector; there is nothing to learn$"):
        preprocess(str(empty / "table.csv"), tmp_path / "other", numeric=["vector=z"], target="y")
    preprocess(str(empty / "table.csv"), tmp_path / "samples", text=["words"], target="y")
    with pytest.raises(MmcliError, match=r"every train row lacks words; nothing to extract$"):
        extract_features(str(tmp_path / "samples"), tmp_path / "features")


def test_a_table_from_a_pipe_says_which_row(mmcli):
    rows = rows_of(y=lambda n, told: "NA" if n == 4 else f"{told:.3f}")
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    done = mmcli("preprocess", "-", "-o", "samples", "--numeric", "x", "--target", "y", stdin="\n".join(lines) + "\n")
    assert done.code == 1
    assert "standard input, row 5: sample 's4' is in train and its target (column 'y') is 'NA'" in done.err


def test_a_target_of_several_may_be_na_in_one(tmp_path):
    rows = rows_of(
        a=lambda n, told: "NA" if n == 4 else f"{told:.3f}", b=lambda n, told: "" if n == 4 else "uv"[told > 0]
    )
    write_csv(tmp_path / "table.csv", rows)
    with pytest.raises(MmcliError, match="line 6: sample 's4' is in train and none of its targets"):
        take_in(str(tmp_path / "table.csv"), intake_config(target=["a", "b"]), Heard())
    rows[4]["b"] = "u"
    model, _ = chain(tmp_path, rows, target=["a", "b"])
    header = Artifact(model).header
    assert header["task"] == "several"
    state = json.loads((model / "state/task.json").read_text())
    assert [part["task"] for part in state["targets"]] == ["regression", "classification"]
    with (tmp_path / "table.csv").open() as file:
        told = [float(row["a"]) for row in csv.DictReader(file) if row["split"] == "train" and row["a"] != "NA"]
    assert state["targets"][0]["state"]["mean"] == pytest.approx(np.mean(told))


@given(
    st.lists(st.sampled_from(["NA", "", "1", "1,5", "$3", "true", "['a']", "a|b"]) | st.text(max_size=6), max_size=40)
)
def test_a_survey_takes_whatever_cells_hold(cells):
    survey = TargetSurvey.of("y", cells)
    assert all("\n" not in text or any("\n" in cell for cell in cells) for text in survey.warnings())
    for cell in cells:
        if survey.lacks(cell):
            assert survey.why(cell)
