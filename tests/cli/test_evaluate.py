"""mmcli evaluate as a person meets it: what it prints, by groups, and gates for continuous integration."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree

import pytest
from sklearn import metrics

from tests.conftest import write_csv


@pytest.fixture(scope="module")
def rows(chain):
    """The small table with a column of two values, beside its files."""
    with (chain / "table.csv").open() as file:
        found = list(csv.DictReader(file))
    for number, row in enumerate(found):
        row["half"] = ["first", "second"][number >= 30]
    write_csv(chain / "halves.csv", found)
    return found


def test_the_main_metrics_come_first_and_all_on_request(chain, mmcli):
    short = mmcli("evaluate", chain / "model", chain / "features")
    assert short.code == 0, short.err
    assert "accuracy" in short.out
    assert "micro_recall" not in short.out
    assert "more by --all-metrics" in short.out
    assert "majority  only " in short.out
    every = mmcli("evaluate", chain / "model", chain / "features", "--all-metrics")
    assert "micro_recall" in every.out
    assert "brier" in every.out


def test_the_report_has_the_same_bytes_in_every_process(chain, mmcli, monkeypatch):
    found = []
    for seed in ("1", "2"):  # the order of sets depends on it
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        found.append(mmcli("evaluate", chain / "model", chain / "features", "--json").out)
    assert found[0] == found[1]


def test_metrics_by_a_column_are_those_of_its_rows_alone(chain, rows, mmcli, tmp_path):
    line = ("evaluate", chain / "model", chain / "halves.csv", "--split", "all", "--by", "half")
    done = mmcli(*line, "-o", "r", "--json")
    assert done.code == 0, done.err
    groups = json.loads(done.out)["groups"]
    answers = {row["id"]: row["label"] for row in mmcli("predict", chain / "model", chain / "halves.csv").rows}
    assert groups["metric"] == "accuracy"
    scores = {}
    for half in ("first", "second"):
        own = [row for row in rows if row["half"] == half]
        found = groups["columns"]["half"]["values"][half]
        scores[half] = metrics.accuracy_score([row["label"] for row in own], [answers[row["id"]] for row in own])
        assert found["rows"] == 30
        assert found["metrics"]["accuracy"] == pytest.approx(scores[half])
        assert found["interval"][0] <= scores[half] <= found["interval"][1]
    assert groups["gap"] == pytest.approx(abs(scores["first"] - scores["second"]))
    assert json.loads((tmp_path / "r/metrics.json").read_text())["groups"] == groups
    assert "by half, gap" in mmcli(*line).out


def test_a_gate_that_fails_is_a_line_and_exit_code_5(chain, mmcli, tmp_path):
    gates = ("--fail-if", "accuracy<1.1", "--fail-if", "subsets.words.accuracy<0", "--fail-if", "log_loss>-1")
    done = mmcli("evaluate", chain / "model", chain / "features", *gates, "--junit", "ci/gates.xml", "-o", "r")
    assert done.code == 5
    errors = [line for line in done.err.splitlines() if "error:" in line]
    assert len(errors) == 2
    assert errors[0].startswith("mmcli evaluate: error: --fail-if 'accuracy<1.1': accuracy is ")
    assert errors[1].startswith("mmcli evaluate: error: --fail-if 'log_loss>-1': log_loss is ")
    assert "accuracy" in done.out
    assert (tmp_path / "r/metrics.json").exists()
    suite = ElementTree.parse(tmp_path / "ci/gates.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert mmcli("evaluate", chain / "model", chain / "features", "--fail-if", "accuracy<0").code == 0


def test_a_pipeline_stops_where_a_gate_fails(mmcli, table):
    (table.parent / "p.yaml").write_text("""
source: table.csv
stages:
  - preprocess: {text: words, target: label}
  - extract-features:
  - train: {epochs: 1}
  - evaluate: {fail-if: "accuracy<1.1"}
  - predict: {source: table.csv}
""")
    done = mmcli("run", "p.yaml", "-o", "work")
    assert done.code == 5
    assert "mmcli run: error: --fail-if 'accuracy<1.1'" in done.err
    assert (table.parent / "work/report/metrics.json").exists()
    assert not list((table.parent / "work").glob("predictions*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--by", "hal"), "unknown column in --by 'hal'; did you mean 'half'"),
        (("--fail-if", "accuracy"), "expected NAME<NUMBER"),
        (("--fail-if", "acuracy<1"), "did you mean 'accuracy'"),
        (("--junit", "x.xml"), "there is no --fail-if"),
    ],
)
def test_mistakes_are_one_line(chain, rows, mmcli, tmp_path, options, words):
    done = mmcli("evaluate", chain / "model", chain / "halves.csv", *options)
    assert done.code == 2
    (error,) = [line for line in done.err.splitlines() if "warning" not in line]
    assert words in error
    assert not list(tmp_path.iterdir())


def test_shapley_values_are_in_the_report(chain, mmcli):
    found = json.loads(mmcli("evaluate", chain / "model", chain / "features", "--json").out)
    shapley = found["shapley"]
    assert shapley["metric"] == "accuracy"
    assert shapley["all"] == found["metrics"]["accuracy"]
    assert sum(shapley["values"].values()) == pytest.approx(shapley["all"] - shapley["none"])
    assert shapley["none"] == pytest.approx(found["baselines"]["majority"]["accuracy"])
    alone = found["subsets"]["words"]["accuracy"]
    assert shapley["alone"]["words"] == pytest.approx(alone - shapley["none"])
    others = "+".join(sorted(set(shapley["values"]) - {"words"}))
    assert shapley["last"]["words"] == pytest.approx(shapley["all"] - found["subsets"][others]["accuracy"])
    single = found["best_single"]
    alone = {name: found["subsets"][name]["accuracy"] for name in shapley["values"]}
    assert alone[single["modality"]] == max(alone.values())
    assert single["gain"] == pytest.approx(found["metrics"]["accuracy"] - max(alone.values()))
    assert 0 < single["p_value"] <= 1
