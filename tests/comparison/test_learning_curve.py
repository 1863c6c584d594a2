"""Learning curves: which rows a share has, that all of them give the model again, and what is said of the last step."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from mmcli.comparison.learning_curve import SHARES, draw_shares
from mmcli.errors import MmcliError
from mmcli.evaluation.curve import told_curve
from mmcli.stages.evaluate import evaluate
from mmcli.stages.train import train


def test_shares_are_nested_and_stratified():
    strata = [0] * 60 + [1] * 30 + [2] * 10
    shares = draw_shares([f"id {number}" for number in range(100)], SHARES, 0, strata)
    assert [len(rows) for rows in shares] == [10, 20, 40, 70, 100]
    for rows, share in zip(shares, SHARES, strict=True):
        assert Counter(strata[row] for row in rows) == {0: 60 * share, 1: 30 * share, 2: 10 * share}
    for smaller, larger in pairwise(shares):
        assert set(smaller) < set(larger)
    other = draw_shares([f"id {number}" for number in range(100)], SHARES, 1, strata)
    assert set(other[0]) != set(shares[0])


def test_every_class_has_a_row_and_groups_stay_whole():
    shares = draw_shares(["a", "b", "c", "d"], [0.1], 0, [0, 0, 0, 1])
    assert sorted(strata for strata in np.array([0, 0, 0, 1])[shares[0]]) == [0, 1]
    of_row = [f"group {number // 7}" for number in range(140)]
    for rows in draw_shares(of_row, SHARES, 0, None):
        assert all(count == 7 for count in Counter(of_row[row] for row in rows).values())
        assert len(rows) in {7 * round(20 * share) for share in SHARES}


@pytest.fixture(scope="module")
def forest(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("forest") / "m"
    train(str(chain / "features"), folder, method="concat", model="sklearn:random_forest:n_estimators=10")
    return folder


@pytest.mark.parametrize("place", ["fused", "features"])
def test_all_rows_give_the_model_again_and_a_second_run_the_same(chain, forest, tmp_path, monkeypatch, place):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = chain / "model" if place == "fused" else forest
    found = evaluate(model, str(chain / place), split="test", learning_curve=True).metrics
    curve = found["learning_curve"]
    assert [point["share"] for point in curve["points"]] == list(SHARES)
    assert curve["points"][-1]["metrics"] == pytest.approx(found["metrics"], abs=1e-6)
    assert curve["points"][-1]["intervals"]["accuracy"] == found["intervals"]["accuracy"]
    last, before = curve["points"][-1]["metrics"], curve["points"][-2]["metrics"]
    assert curve["gain"]["difference"] == pytest.approx(last["accuracy"] - before["accuracy"])
    low, high = curve["gain"]["interval"]
    assert low <= curve["gain"]["difference"] <= high
    again = evaluate(model, str(chain / place), split="test", learning_curve=True).metrics
    assert json.dumps(again) == json.dumps(found)
    assert not list(tmp_path.iterdir())


def test_a_table_is_prepared_as_the_model_was(chain, forest):
    of_table = evaluate(forest, str(chain / "table.csv"), split="test", learning_curve=True).metrics
    of_features = evaluate(forest, str(chain / "features"), split="test", learning_curve=True).metrics
    assert of_table["learning_curve"] == of_features["learning_curve"]


def test_the_command_prints_the_curve(chain, forest, mmcli, tmp_path):
    done = mmcli("evaluate", forest, chain / "features", "--learning-curve", "-o", "r", "--fail-if",
                 "learning_curve.gain.difference>-2")  # fmt: skip
    assert done.code == 5, done.err
    assert "share" in done.out
    assert "40 %" in done.out
    curve = json.loads((tmp_path / "r/metrics.json").read_text())["learning_curve"]
    assert told_curve(curve) in done.out


def test_shares_that_are_too_small_are_left_out_with_the_reason(chain, tmp_path):
    estimator = "sklearn:knn:n_neighbors=20"
    train(str(chain / "features"), tmp_path / "m", method="concat", model=estimator)
    points = evaluate(tmp_path / "m", str(chain / "features"), learning_curve=True).metrics["learning_curve"]["points"]
    assert [point["share"] for point in points if "error" in point]
    assert "metrics" in points[-1]


@pytest.mark.parametrize(
    ("source", "options", "code", "words"),
    [
        ("features", {"split": "all"}, 2, "--split all includes them"),
        ("features", {"split": "train"}, 2, "--split train includes them"),
        ("-", {}, 2, "standard input can be read only once"),
        ("none", {}, 1, "none.csv: no train rows, which --learning-curve needs"),
        ("features", {"labels_from": "label"}, 2, "does not go with --labels-from"),
    ],
)
def test_what_cannot_be_done_is_said(chain, forest, tmp_path, source, options, code, words):
    lines = (chain / "table.csv").read_text().splitlines()
    (chain / "none.csv").write_text("\n".join([lines[0], *(line for line in lines if ",test," in line)]))
    places = {"features": chain / "features", "none": chain / "none.csv", "-": "-"}
    with pytest.raises(MmcliError, match=words) as failure:
        evaluate(forest, str(places[source]), learning_curve=True, **options)
    assert failure.value.exit_code == code


@pytest.mark.parametrize(
    ("difference", "p_value", "small", "begins"),
    [
        (0.02, 0.01, False, "more train rows still help: m +0.0200 [+0.0100, +0.0300] from 70 % to 100 % of"),
        (-0.02, 0.01, True, "more train rows still help: m -0.0200"),
        (-0.02, 0.01, False, "the last train rows made it worse: m -0.0200"),
        (0.02, 0.2, False, "no measurable gain from the last train rows: m +0.0200"),
        (0.0, 1.0, False, "no measurable gain"),
    ],
)
def test_the_sentence_claims_no_more_than_the_test_shows(difference, p_value, small, begins):
    gain = {
        "from": 0.7, "to": 1.0, "difference": difference, "p_value": p_value, "smaller_is_better": small,
        "interval": [difference - 0.01, difference + 0.01],
    }  # fmt: skip
    assert told_curve({"metric": "m", "gain": gain}).startswith(begins)
    assert told_curve({"metric": "m", "points": []}) is None
