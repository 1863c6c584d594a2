"""Permutation importance: as scikit-learn measures it, of columns, extractors and modalities."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.inspection import permutation_importance

from mmcli.chain.chain import Chain
from mmcli.explanation.importance import Importance, KeptInputs
from mmcli.inference.config import EvaluateConfig
from mmcli.inference.evaluation import predict_rows
from mmcli.inference.model import TrainedModel
from mmcli.modalities.files import MediaFolder
from mmcli.options import make
from mmcli.reporting import Silent
from mmcli.runtime import Runtime
from mmcli.stages.evaluate import evaluate
from mmcli.store.columns import Batch
from tests.conftest import write_csv

COLUMNS = ("cue", "noise", "colour")


class _OnCells(BaseEstimator):
    """A model whose input is an array of cells."""

    def __init__(self, model):
        self.model = model
        self.chain = Chain(model.artifact, MediaFolder("."), "id")

    def fit(self, cells, targets):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def records(self, cells):
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in cells]
        vectors = self.model.vectors(self.chain.apply(Batch(rows, {}), Runtime()).columns, Runtime())
        return self.model.task.records(*self.model.outputs(vectors))


class Classes(ClassifierMixin, _OnCells):
    classes_ = np.array(["no", "yes"])

    def predict(self, cells):
        return np.array([record["label"] for record in self.records(cells)])


class Numbers(RegressorMixin, _OnCells):
    def predict(self, cells):
        return np.array([record["value"] for record in self.records(cells)])


@pytest.mark.parametrize(
    ("target", "model", "wrapped", "scoring"),
    [
        ("label", "sklearn:logistic_regression", Classes, "accuracy"),
        ("amount", "sklearn:ridge", Numbers, "r2"),
    ],
)
def test_columns_matter_as_much_as_scikit_learn_finds(planted, target, model, wrapped, scoring):
    """Both shuffle at random: the means of 12 differ by no more than a few of their standard errors."""
    trained = TrainedModel(planted.model("table", target=target, model=model))
    config = make(EvaluateConfig, {"split": "all", "target": target})
    kept = KeptOf(trained, planted, config)
    found = Importance(trained, kept.rows, kept.measuring.answers(), (), 0, Runtime(), repeats=12).measure(Silent())
    with planted.table.open() as file:
        rows = list(csv.DictReader(file))
    cells = np.array([[row[name] for name in COLUMNS] for row in rows], object)
    targets = np.array([row[target] if target == "label" else float(row[target]) for row in rows])
    expected = permutation_importance(wrapped(trained), cells, targets, scoring=scoring, n_repeats=12, random_state=0)
    assert found["metric"] == scoring
    assert found["value"] == pytest.approx(wrapped(trained).score(cells, targets))
    for place, name in enumerate(COLUMNS):
        own = found["columns"]["table"][name]
        error = 4 * np.sqrt(2 / 12) * max(expected["importances_std"][place], own["std"])
        assert own["drop"] == pytest.approx(expected["importances_mean"][place], abs=error + 1e-9)
    assert found["columns"]["table"]["cue"]["drop"] > 0.3


class KeptOf:
    """The rows of the table, measured and kept."""

    def __init__(self, model, planted, config):
        self.rows = KeptInputs()
        self.measuring = predict_rows(model, [str(planted.table)], config, Runtime(), Silent(), receiver=self.rows.add)


def test_a_shuffled_modality_is_one_whose_files_are_exchanged(planted, tmp_path):
    """With the permutation that evaluate draws first, written into the table by hand."""
    model, count = planted.model("text,table"), 60
    trained = TrainedModel(model)
    kept = KeptOf(trained, planted, make(EvaluateConfig, {"split": "all"}))
    one = Importance(trained, kept.rows, kept.measuring.answers(), (), 3, Runtime(), repeats=1).measure(Silent())
    order = np.random.default_rng([3, 0]).permutation(count)
    with planted.table.open() as file:
        rows = list(csv.DictReader(file))
    for name, columns in (("text", ["text"]), ("table", COLUMNS)):
        others = [{column: rows[place][column] for column in columns} for place in order]
        write_csv(tmp_path / "t.csv", [{**row, **other} for row, other in zip(rows, others, strict=True)])
        measured = evaluate(model, str(tmp_path / "t.csv"), split="all").metrics["metrics"]["accuracy"]
        assert one["modalities"][name]["drop"] == pytest.approx(one["value"] - measured)


def test_what_evaluate_writes_prints_and_gates(chain, mmcli, tmp_path):
    line = ("evaluate", chain / "model", chain / "fused", "--split", "all", "--importance", "-o", "r")
    done = mmcli(*line, "--fail-if", "importance.modalities.picture.drop<-1")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "r/metrics.json").read_text())["importance"]
    assert (found["metric"], found["repeats"]) == ("accuracy", 5)
    assert set(found["modalities"]) == {"picture", "table", "words"}
    assert set(found["extractors"]) == {"picture_color_histogram", "picture_hog"}
    assert set(found["columns"]) == {"table"}
    assert set(found["columns"]["table"]) == {"size"}
    for own in found["modalities"].values():
        low, high = own["interval"]
        assert low <= own["drop"] <= high
    assert "by how much accuracy" in done.out
    assert "table: size" in done.out


def test_it_is_measured_on_the_rows_of_the_split_alone(planted):
    found = evaluate(planted.model("table"), str(planted.table), importance=True).metrics
    assert found["n"] == sum(number // 2 % 5 == 4 for number in range(60))
    assert found["importance"]["value"] == found["metrics"]["accuracy"]
    assert "extractors" not in found["importance"]
    assert "importance" not in evaluate(planted.model("table"), str(planted.table)).metrics


def test_an_error_gets_larger_by_a_positive_drop(planted):
    """Where the best value is the smallest, a drop is a rise."""
    model = planted.model("table", task="ordinal:order=no|yes")
    found = evaluate(model, str(planted.table), split="all", importance=True).metrics["importance"]
    assert found["metric"] == "mae"
    assert found["columns"]["table"]["cue"]["drop"] > 0.2
