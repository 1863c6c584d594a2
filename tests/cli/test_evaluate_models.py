"""mmcli evaluate with several models: the same rows, paired tests computed another way, gates, and what is refused."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from mmcli.errors import MmcliError
from mmcli.stages.evaluate import evaluate
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.stages.verify import verify
from tests.conftest import write_csv


@pytest.fixture(scope="module")
def models(chain, tmp_path_factory):
    """Models of the small table beside its own: two that know less, and some of other targets and classes."""
    folder = tmp_path_factory.mktemp("models")
    for name, modality in (("words", "words"), ("size", "table")):
        train(str(chain / "features"), folder / name, epochs=4, modalities=[modality])
    train(
        str(chain / "features"), folder / "numbers", epochs=1, target=["size"], task=["regression"], empty_target="drop"
    )
    return folder


@pytest.fixture(scope="module")
def report(chain, models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "r"
    sources = [str(models / "words"), str(models / "size"), str(chain / "table.csv")]
    evaluate(chain / "model", sources, folder, split="all")
    return folder


def right(folder):
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").open()]
    return np.array([row["label"] == row["target"] for row in rows], float)


def files(folder):
    return {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}


def test_every_model_has_the_report_that_it_has_alone(chain, models, report, tmp_path):
    evaluate(models / "words", str(chain / "table.csv"), tmp_path / "alone", split="all")
    alone, beside = files(tmp_path / "alone"), files(report / "words")
    assert alone.keys() - beside.keys() == {"artifact.json", "run.json"}
    for name in beside:
        assert beside[name].read_bytes() == alone[name].read_bytes(), name
    assert not verify(report)


def test_differences_are_those_of_the_same_draws_of_rows(report):
    found = json.loads((report / "comparison.json").read_text())
    assert found["metric"] == "accuracy"
    draws = np.random.default_rng(0).integers(0, 60, (1000, 60))
    for earlier, later in combinations(["model", "words", "size"], 2):
        own = found["differences"][f"{later}-{earlier}"]
        apart = right(report / later) - right(report / earlier)
        assert own["accuracy"] == pytest.approx(apart.mean())
        expected = np.quantile(apart[draws].mean(axis=1), [0.025, 0.975])
        np.testing.assert_allclose(own["intervals"]["accuracy"], expected, atol=1e-12)
        gains, losses = int((apart > 0).sum()), int((apart < 0).sum())
        test = own["mcnemar"]
        assert (test["only_first_right"], test["only_second_right"]) == (gains, losses)
        tail = stats.binom.cdf(min(gains, losses), gains + losses, 0.5)
        assert test["p_value"] == pytest.approx(min(1, 2 * tail))
    p_values = sorted(own["p_value"] for own in found["differences"].values())
    adjusted = sorted(own["p_holm"] for own in found["differences"].values())
    assert adjusted[0] == pytest.approx(min(1, 3 * p_values[0]))
    assert adjusted[1] == pytest.approx(min(1, max(adjusted[0], 2 * p_values[1])))


def test_two_models_are_compared_in_a_sentence_and_by_gates(chain, models, mmcli, tmp_path):
    line = ("evaluate", chain / "model", models / "size", chain / "table.csv", "--split", "all")
    done = mmcli(*line, "--fail-if", "models.model.accuracy<0.5", "--fail-if", "differences.size-model.accuracy<0",
                 "--junit", "gates.xml")  # fmt: skip
    assert done.code == 5, done.err
    assert "differences.size-model.accuracy is -" in done.err
    assert "models.model.accuracy" not in done.err
    assert "model is better than size by 0." in done.out
    assert "only model is right in" in done.out
    assert [file.name for file in tmp_path.iterdir()] == ["gates.xml"]


def test_a_pipeline_compares_the_models_that_it_trained(mmcli, table):
    text = """
source: table.csv
stages:
  - preprocess: {text: words, target: label}
  - extract-features:
  - train: {epochs: 1, output: short}
  - train: {epochs: 3, output: long}
  - evaluate: {models: [short, long]}
"""
    for wrong, words in (
        (text.replace("[short", "[shot"), "unknown model in p.yaml, line 8: 'shot'; did you mean 'short'"),
        (text.replace("[short, long]", "short"), "p.yaml, line 8, models: expected a list of names, found 'short'"),
    ):
        (table.parent / "p.yaml").write_text(wrong)
        done = mmcli("run", "p.yaml", "-o", "work")
        assert done.code in (1, 2)
        assert words in done.err
        assert not (table.parent / "work").exists()
    (table.parent / "p.yaml").write_text(text)
    done = mmcli("run", "p.yaml", "-o", "work")
    assert done.code == 0, done.err
    found = json.loads((table.parent / "work/report/comparison.json").read_text())
    assert list(found["models"]) == ["short", "long"]


@pytest.fixture(scope="module")
def two_classes(chain, tmp_path_factory):
    """A model of the same target that has never seen one of the classes."""
    import csv

    folder = tmp_path_factory.mktemp("two")
    rows = [row for row in csv.DictReader((chain / "table.csv").open()) if row["label"] != "blue"]
    write_csv(folder / "table.csv", rows)
    preprocess(str(folder / "table.csv"), folder / "samples", text=["words"], target="label")
    train(str(folder / "samples"), folder / "two", epochs=1)
    return folder / "two"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (("model", "numbers", "table.csv"), 1, "model and numbers cannot be compared: their tasks are classification"),
        (("model", "two", "table.csv"), 1, "model and two cannot be compared: only one of them can predict blue"),
        (("model", "model", "table.csv"), 2, "a model cannot be compared with itself"),
        (("model", "words"), 2, "after the models, name the rows to measure them on"),
        (("model", "words", "-"), 2, "several models cannot all read standard input"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(chain, models, two_classes, tmp_path, given, code, words):
    places = {"model": chain / "model", "two": two_classes, "table.csv": chain / "table.csv", "-": "-"}
    first, *rest = (places.get(name, models / name) for name in given)
    with pytest.raises(MmcliError, match=words) as failure:
        evaluate(first, list(map(str, rest)), tmp_path / "r")
    assert failure.value.exit_code == code
    assert not list(tmp_path.iterdir())
