"""Estimators and clusters through all stages: trained, measured, asked, and refused where they do not suit."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB

from mmcli.console.records import show_artifact
from mmcli.errors import MmcliError
from mmcli.inference.model import TrainedModel
from mmcli.stages.compare import compare
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.inspect import inspect
from mmcli.stages.names import registered_names
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.stages.verify import verify
from mmcli.store.artifact import Artifact
from mmcli.store.keys import file_digest, fingerprint
from mmcli.store.opening import open_samples
from tests.conftest import make_table, run_mmcli, write_csv
from tests.heard import Heard

TAGS = {"red": "warm|loud", "green": "cool|calm", "blue": "cool"}
MODELS = {
    "classes": {"model": "sklearn:logistic_regression:C=0.5"},
    "numbers": {"model": "sklearn:ridge", "task": "regression:log=true", "target": "price"},
    "interval": {
        "model": "sklearn:hist_gradient_boosting:max_iter=10,min_samples_leaf=3",
        "task": "regression:loss=quantile", "target": "price",
    },
    "labels": {"model": "sklearn:naive_bayes", "task": "multilabel", "target": "tags"},
    "clusters": {"model": "sklearn:kmeans:n_clusters=3", "task": "clustering"},
    "dense": {"model": "sklearn:hdbscan:min_cluster_size=3", "task": "clustering"},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The small table with a number and labels beside each class, one row of nothing, and a model of each kind."""
    folder = tmp_path_factory.mktemp("estimators")
    make_table(folder)
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    random = np.random.default_rng(0)
    for row in rows:
        level = {"red": 1.0, "green": 3.0, "blue": 5.0}[row["label"]]
        row["price"] = f"{1000 * (level + random.normal(0, 0.1)):.2f}"
        row["tags"] = TAGS[row["label"]]
    rows[13] |= {"words": "", "picture": "", "size": ""}
    write_csv(folder / "table.csv", rows)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], numeric=["size"],
        target=["label"], image_size=32,
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features")
    fuse([str(folder / "features")], folder / "fused", method="concat")
    for name, options in MODELS.items():
        train(str(folder / "fused"), folder / name, **options)
    return folder


def answers(model, source, **options):
    return [row for group in predict(model, str(source), **options) for row in group]


def numbers(rows):
    """Every number that the answers hold, (rows, numbers); no cluster is -1."""
    if "cluster" in rows[0]:
        return np.array([[-1 if row["cluster"] is None else row["cluster"]] for row in rows], float)
    if "value" in rows[0]:
        return np.array([[row[name] for name in ("low", "value", "high") if name in row] for row in rows])
    return np.array([list(row["probabilities"].values()) for row in rows])


def stored(folder):
    """The fused rows as float64, the split and the row itself of each."""
    samples = open_samples(str(folder / "fused"), ("fuse",))
    column = samples.column("fused", np.arange(len(samples)))
    rows = list(samples.rows.take(range(len(samples))))
    return np.array(column.main.values, np.float64), np.array([row["split"] for row in rows]), rows


@pytest.mark.parametrize("name", MODELS)
def test_raw_rows_every_artifact_and_a_pipe_give_the_same_answers(place, name):
    raw = answers(place / name, place / "table.csv")
    assert len(raw) == 60
    for stage in ("samples", "features", "fused"):
        found = answers(place / name, place / stage)
        np.testing.assert_allclose(numbers(found), numbers(raw), atol=1e-4, rtol=1e-5)
        assert [row["status"] for row in found] == [row["status"] for row in raw]
    assert sum(row["modalities"] == [] for row in raw) == 1
    assert any(len(row["modalities"]) == 2 for row in raw)


def test_answers_are_scikit_learns_on_the_fused_rows(place):
    fused, splits, rows = stored(place)
    there = np.flatnonzero([row["words"] + row["picture"] + row["size"] != "" for row in rows])
    learnt = np.flatnonzero((splits == "train") & np.isin(np.arange(60), there))
    labels = np.array([row["label"] for row in rows])
    prices = np.array([float(row["price"]) for row in rows])
    by_hand = LogisticRegression(C=0.5, max_iter=1000).fit(fused[learnt], labels[learnt])
    assert by_hand.classes_.tolist() == ["blue", "green", "red"]
    found = numbers(answers(place / "classes", place / "fused"))
    np.testing.assert_allclose(found[there], by_hand.predict_proba(fused)[there], atol=1e-9)
    logs = np.log(prices)
    centre, scale = logs[learnt].mean(), logs[learnt].std()
    line = Ridge().fit(fused[learnt], (logs[learnt] - centre) / scale)
    found = numbers(answers(place / "numbers", place / "fused"))[:, 0]
    np.testing.assert_allclose(found[there], np.exp(line.predict(fused) * scale + centre)[there], rtol=1e-9)
    tags = np.array(["loud" in row["tags"] for row in rows])
    bayes = GaussianNB().fit(fused[learnt], tags[learnt])
    found = [row["probabilities"]["loud"] for row in answers(place / "labels", place / "fused")]
    np.testing.assert_allclose(np.array(found)[there], bayes.predict_proba(fused)[there, 1], atol=1e-9)
    means = KMeans(3, n_init=10, random_state=0).fit(fused[learnt])
    found = numbers(answers(place / "clusters", place / "fused"))[:, 0]
    np.testing.assert_array_equal(found[there], means.predict(fused)[there])
    assert found[13] == -1


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_measured_as_scikit_learn_measures_its_answers(place, tmp_path, name):
    report = evaluate(place / name, str(place / "fused"), tmp_path / "report", split="test").metrics
    rows = [json.loads(line) for line in (tmp_path / "report/predictions.jsonl").read_text().splitlines()]
    measured, targets = report["metrics"], [row["target"] for row in rows]
    assert report["n"] == len(rows) == 12
    assert {"words", "picture+table"} <= set(report["subsets"])
    if name == "classes":
        assert measured["accuracy"] == metrics.accuracy_score(targets, [str(row["label"]) for row in rows]) > 0.8
    elif name in ("numbers", "interval"):
        expected = metrics.r2_score([float(target) for target in targets], [row["value"] for row in rows])
        assert measured["r2"] == pytest.approx(expected)
    elif name == "labels":
        assert measured["macro_f1"] > report["baselines"]["prior"]["macro_f1"]
    else:
        clusters = [-1 if row["cluster"] is None else row["cluster"] for row in rows]
        assert measured["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(targets, clusters))
        assert measured["ari"] == pytest.approx(metrics.adjusted_rand_score(targets, clusters))
        assert measured["nmi"] > 0.6 > report["baselines"]["one_cluster"]["nmi"] == 0
        fused, splits, _ = stored(place)
        own, there = fused[splits == "test"], np.array(clusters) >= 0
        assert measured["silhouette"] == pytest.approx(metrics.silhouette_score(own[there], np.array(clusters)[there]))
        low, high = report["intervals"]["nmi"]
        assert low <= measured["nmi"] <= high
        table = json.loads((tmp_path / "report/clusters.json").read_text())
        assert np.sum(table["counts"]) == 12
        assert [None if cluster == -1 else cluster for cluster in sorted(set(clusters))] == table["clusters"]


def test_the_same_command_gives_the_same_bytes_and_no_epochs(place, tmp_path, capsys):
    for name, options in MODELS.items():
        train(str(place / "fused"), tmp_path / name, **options)
        header = Artifact(tmp_path / name).header
        assert header["digest"] == Artifact(place / name).header["digest"]
        assert header["best_epoch"] is None
        assert header["stopped"] is False
        assert header["network"]["model"] == options["model"]
        assert set(header["best_values"]) & {"accuracy", "r2", "map", "nmi"}
        assert json.loads((tmp_path / name / "history.json").read_text()) == {"best": None, "epochs": []}
        assert verify(tmp_path / name) == []
    show_artifact(inspect(place / "classes", problems=0), False)
    shown = capsys.readouterr().out
    assert "classification of label by concat, sklearn:logistic_regression:C=0.5\nval accuracy" in shown


def test_test_rows_teach_nothing(place, tmp_path):
    with (place / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["split"] == "test":
            row |= {"size": "1000", "label": "red"}
    (tmp_path / "images").symlink_to(place / "images")
    write_csv(tmp_path / "table.csv", rows)
    preprocess(
        str(tmp_path / "table.csv"), tmp_path / "samples", text=["words"], image=["picture"], numeric=["size"],
        target=["label"], image_size=32,
    )  # fmt: skip
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    for name in ("classes", "clusters"):
        train(str(tmp_path / "features"), tmp_path / name, **MODELS[name], method="concat")
        train(str(place / "features"), tmp_path / "before", fresh=True, **MODELS[name], method="concat")
        files = [Artifact(tmp_path / each).header["files"]["estimator.skops"] for each in (name, "before")]
        assert files[0] == files[1]


def test_a_damaged_estimator_is_one_line(place, tmp_path):
    model = tmp_path / "model"
    for content in (b"", b"PK\3\4", (place / "labels" / "estimator.skops").read_bytes()):
        shutil.copytree(place / "classes", model)
        (model / "estimator.skops").write_bytes(content)
        with pytest.raises(MmcliError, match=r"estimator\.skops"):
            TrainedModel(model)
        header = json.loads((model / "artifact.json").read_text())
        header["files"]["estimator.skops"] = file_digest(model / "estimator.skops")
        header["digest"] = fingerprint({key: value for key, value in header.items() if key != "digest"})
        (model / "artifact.json").write_text(json.dumps(header))
        with pytest.raises(MmcliError, match=r"estimator\.skops: damaged, or .*train it again"):
            TrainedModel(model)
        shutil.rmtree(model)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("samples", {"model": "sklearn:svm"}, "needs features, and picture, table, words has none yet"),
        ("features", {"model": "sklearn:svm", "method": "gated"}, "fusion gated is part of a network"),
        ("features", {"model": "sklearn:svm", "method": "late_mean"}, "fusion late_mean is part of a network"),
        ("features", {"model": "sklearn:svm", "pooling": "attention"}, "--pooling attention is part of a network"),
        ("fused", {"model": "sklearn:svm", "epochs": 5}, "--epochs: applies only to networks"),
        ("fused", {"model": "sklearn:svm", "weight_decay": 0.1}, "--weight-decay: applies only to networks"),
        ("fused", {"model": "sklearn:svm", "task": "classification:loss=focal"}, "loss sets the loss of a network"),
        ("fused", {"model": "sklearn:ridge", "task": "regression:loss=mae", "target": "price"}, "loss sets the loss"),
        (
            "fused",
            {"model": "sklearn:ridge", "task": "regression:loss=quantile", "target": "price"},
            "not learn quantiles",
        ),
        ("fused", {"model": "sklearn:kmeans"}, "predicts clusters, but this task needs classes"),
        ("fused", {"model": "sklearn:svm", "task": "clustering"}, "this task needs clusters"),
        ("fused", {"model": "network", "task": "clustering"}, "networks do not support it"),
        ("fused", {"model": "sklearn:svm:D=1"}, "unknown option of --model sklearn:svm 'D'"),
        ("fused", {"model": "xgboost"}, "unknown --model 'xgboost'"),
    ],
)
def test_unsuitable_options_are_refused_in_one_line(place, tmp_path, source, options, message):
    with pytest.raises(MmcliError) as error:
        train(str(place / source), tmp_path / "model", **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_clusters_need_no_target_and_their_number_is_reported(place, tmp_path):
    with (place / "table.csv").open() as file:
        rows = [
            {key: value for key, value in row.items() if key not in ("label", "price", "tags")}
            for row in csv.DictReader(file)
        ]
    (tmp_path / "images").symlink_to(place / "images")
    write_csv(tmp_path / "table.csv", rows)
    preprocess(
        str(tmp_path / "table.csv"), tmp_path / "samples", text=["words"], image=["picture"], numeric=["size"],
        image_size=32,
    )  # fmt: skip
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    heard = Heard()
    train(str(tmp_path / "features"), tmp_path / "model", task="clustering", reporter=heard)
    assert "model: sklearn:kmeans (--model chooses)" in heard.notes
    assert any(re.match("3 clusters, the number from 2 to 20 with the best silhouette", note) for note in heard.notes)
    found = evaluate(tmp_path / "model", str(tmp_path / "features")).metrics
    assert set(found["metrics"]) == {"clusters", "noise", "silhouette"}
    clusters = {row["cluster"] for row in answers(tmp_path / "model", tmp_path / "table.csv")}
    assert clusters == {0, 1, 2, None}


def test_methods_are_compared_with_an_estimator_after_them(place, tmp_path):
    found = compare(
        str(place / "features"), tmp_path / "found", model="sklearn:lda", method=["concat", "only:words", "gated"],
        seeds="2", keep=tmp_path / "kept",
    ).found  # fmt: skip
    each = {method["method"]: method for method in found["methods"]}
    assert "fusion gated is part of a network" in each["gated"]["error"]
    assert each["concat"]["error"] is None
    train(str(place / "features"), tmp_path / "model", model="sklearn:lda", method="concat", seed=1)
    kept = Artifact(tmp_path / "kept" / "concat").header
    assert kept["network"]["model"] == "sklearn:lda"
    trained = Artifact(tmp_path / "model").header["best_values"]
    assert trained["accuracy"] == pytest.approx(each["concat"]["runs"][1]["metrics"]["accuracy"])


def test_the_list_names_every_estimator_with_its_options():
    names = {name.name: name for name in registered_names("models", verbose=True)}
    assert names["sklearn:kmeans"].kind == "clustering"
    assert names["sklearn:random_forest"].kind == "classification, regression"
    assert "for regression: criterion=squared_error" in names["sklearn:random_forest"].options
    assert (
        "for classification: criterion=gini, max_features=sqrt, class_weight=none"
        in names["sklearn:random_forest"].options
    )
    assert "n_clusters=N" in names["sklearn:kmeans"].options
    assert "deprecated" not in names["sklearn:logistic_regression"].options
    assert "n_estimators=100" in names["sklearn:random_forest"].options
    assert "C=1.0" in names["sklearn:svm"].options
    assert "random_state" not in names["sklearn:svm"].options


def test_the_command_says_what_it_made(place, tmp_path):
    rows = "".join(json.dumps(row) + "\n" for row in csv.DictReader((place / "table.csv").open()))
    done = run_mmcli("train", place / "fused", "-o", tmp_path / "model", "--model", "sklearn:knn:n_neighbors=3")
    assert done.code == 0, done.err
    assert "classification by concat, sklearn:knn:n_neighbors=3, " in done.out
    piped = run_mmcli("predict", tmp_path / "model", "-", "--root", place, stdin=rows)
    assert piped.code == 0, piped.err
    assert [row["id"] for row in piped.rows] == [row["id"] for row in answers(tmp_path / "model", place / "table.csv")]
    np.testing.assert_array_equal(numbers(piped.rows), numbers(answers(tmp_path / "model", place / "table.csv")))


def test_clusters_are_measured_by_labels_that_training_never_saw(place, tmp_path):
    with (place / "table.csv").open() as file:
        rows = [{**row, "kind": row["label"].upper()} for row in csv.DictReader(file)]
    write_csv(place / "kinds.csv", rows)
    train(str(place / "fused"), tmp_path / "model", task="clustering", target=[], model="sklearn:kmeans:n_clusters=3")
    found = evaluate(tmp_path / "model", str(place / "kinds.csv"), target="kind").metrics
    known = evaluate(tmp_path / "model", str(place / "table.csv")).metrics
    assert found["metrics"]["nmi"] == pytest.approx(known["metrics"]["nmi"])
    with pytest.raises(MmcliError, match="no target"):
        evaluate(tmp_path / "model", str(place / "table.csv"), target="kindd")
    with pytest.raises(MmcliError, match="no column 'lable' for the target"):
        train(str(place / "fused"), tmp_path / "typo", task="clustering", target="lable")
