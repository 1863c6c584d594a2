"""Clustering: labels that may be missing, and measures that are scikit-learn's and the books' formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn import metrics

from mmcli.errors import MmcliError, UsageError
from mmcli.tasks.clustering import Clustering

LABELS = ["cat", None, "dog", "ant", "cat", "dog", 3, "3.0", True, "cat"]


def fitted(targets):
    task = Clustering()
    task.fit(targets)
    return task, task.encode(targets)


def predictions(clusters, places=None):
    clusters = np.asarray(clusters, float)[:, None]
    return clusters if places is None else np.hstack([clusters, places])


def test_labels_are_optional_and_only_measure():
    task, encoded = fitted(LABELS)
    assert task.classes == ["3", "ant", "cat", "dog", "true"]
    assert task.decode(encoded) == ["cat", None, "dog", "ant", "cat", "dog", "3", "3", "true", "cat"]
    assert task.encode(["newt", None, "cat"]).tolist() == [-1, -1, 2]
    assert task.references(["newt", None, 3.0, "3"]).tolist() == ["newt", None, "3", "3"]
    assert all(task.known(target) for target in [*LABELS, "newt"])
    assert task.fault(None) is None
    assert task.fault(["a"]) == "one label, or none"
    with pytest.raises(MmcliError, match="expected one label, or none"):
        task.encode([["a"]])
    none, unlabelled = fitted([None] * 4)
    assert none.classes == []
    assert unlabelled.tolist() == [-1] * 4
    again = Clustering()
    again.load_state(task.state())
    assert again.encode(LABELS).tolist() == encoded.tolist()
    assert again.state().digest() == task.state().digest()


@pytest.mark.parametrize(("labels", "clusters"), [(3, 4), (1, 3), (3, 1), (1, 1), (5, 25), (2, 2)])
def test_agreement_with_labels_is_scikit_learns(labels, clusters):
    random = np.random.default_rng(labels)
    truth = [f"l{number}" for number in random.integers(0, labels, 50)]
    found = random.integers(0, clusters, 50) - (clusters == 4)  # with noise, which is one more cluster
    task, encoded = fitted(truth)
    measured = task.metrics(predictions(found), encoded)
    table = metrics.cluster.contingency_matrix(truth, found)
    expected = {
        "nmi": metrics.normalized_mutual_info_score(truth, found),
        "ari": metrics.adjusted_rand_score(truth, found),
        "purity": table.max(axis=0).sum() / 50,
        "homogeneity": metrics.homogeneity_score(truth, found),
        "completeness": metrics.completeness_score(truth, found),
        "v_measure": metrics.v_measure_score(truth, found),
        "noise": (found == -1).mean(),
        "clusters": len(set(found.tolist()) - {-1}),
    }
    assert measured == pytest.approx(expected, abs=1e-9)


def test_rows_without_a_label_drop_out_of_what_labels_measure_alone():
    random = np.random.default_rng(0)
    truth, found, places = random.integers(0, 3, 60), random.integers(-1, 4, 60), random.normal(size=(60, 3))
    there = random.random(60) < 0.6
    task, encoded = fitted([str(label) if known else None for label, known in zip(truth, there, strict=True)])
    measured = task.metrics(predictions(found, places), encoded)
    assert measured["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(truth[there], found[there]))
    assert measured["ari"] == pytest.approx(metrics.adjusted_rand_score(truth[there], found[there]))
    assert measured["noise"] == pytest.approx((found == -1).mean())
    assert measured["silhouette"] == pytest.approx(metrics.silhouette_score(places[found >= 0], found[found >= 0]))
    _, unlabelled = fitted([None] * 60)
    assert set(task.metrics(predictions(found, places), unlabelled)) == {"clusters", "noise", "silhouette"}
    with pytest.raises(MmcliError, match="no rows"):
        task.metrics(predictions(found[:0]), encoded[:0])


@pytest.mark.parametrize("clusters", [[0] * 6, [-1] * 6, [0, 1, 2, 3, 4, 5], [-1, -1, -1, -1, 0, 0]])
def test_an_undefined_silhouette_is_left_out(clusters):
    task, encoded = fitted(["a", "b"] * 3)
    measured = task.metrics(predictions(clusters, np.eye(6)), encoded)
    assert "silhouette" not in measured
    assert all(np.isfinite(list(measured.values())))


def test_the_silhouette_of_a_draw_is_the_mean_of_its_rows_own():
    random = np.random.default_rng(2)
    places, found = random.normal(size=(40, 3)), random.integers(-1, 3, 40)
    task, encoded = fitted([None] * 40)
    counts = np.stack([np.bincount(random.integers(0, 40, 40), minlength=40) for _ in range(30)])
    counts[0] = 40 * (np.arange(40) == np.flatnonzero(found < 0)[0])  # noise alone
    drawn = task.metrics_of_draws(predictions(found, places), encoded, counts)["silhouette"]
    own = np.zeros(40)
    own[found >= 0] = metrics.silhouette_samples(places[found >= 0], found[found >= 0])
    assert np.isnan(drawn[0])
    for value, times in zip(drawn[1:], counts[1:], strict=True):
        rows = [row for row in np.repeat(np.arange(40), times) if found[row] >= 0]
        assert value == pytest.approx(own[rows].mean())


def test_draws_are_measured_as_the_rows_that_they_hold():
    random = np.random.default_rng(0)
    truth = [None if number == 4 else str(number) for number in random.integers(0, 5, 30)]
    found = predictions(random.integers(-1, 4, 30))
    task, encoded = fitted(truth)
    drawn = random.integers(0, 30, (40, 30))
    counts = np.stack([np.bincount(rows, minlength=30) for rows in drawn])
    measured = task.metrics_of_draws(found, encoded, counts)
    assert set(measured) == {
        "nmi", "ari", "purity", "homogeneity", "completeness", "v_measure", "clusters", "noise",
    }  # fmt: skip
    for number, rows in enumerate(drawn):
        expected = task.metrics(found[rows], encoded[rows])
        assert {name: values[number] for name, values in measured.items()} == pytest.approx(expected, abs=1e-12)
    one = np.zeros((1, 30), int)
    one[0, truth.index(None)] = 30
    assert np.isnan(task.metrics_of_draws(found, encoded, one)["nmi"]).all()
    assert task.row_scores(found, encoded)["noise"].mean() == task.metrics(found, encoded)["noise"]


def test_answers_tables_and_baselines():
    task, encoded = fitted(["a", "b", None, "a"])
    found = task.predictions(torch.tensor([[0.0, 1.5], [2.0, 0.0], [-1.0, 3.0], [0.0, 1.0]]))
    found[1] = task.prior()
    records = task.records(found, np.array([True, False, True, True]))
    assert records == [{"cluster": 0}, {"cluster": None}, {"cluster": None}, {"cluster": 0}]
    assert json.dumps(records[0]) == '{"cluster": 0}'
    table = task.tables(found, encoded)["clusters"]
    assert table == {"labels": ["a", "b", None], "clusters": [None, 0], "counts": [[0, 2], [1, 0], [1, 0]]}
    baselines = task.baselines(encoded)
    assert baselines["one_cluster"] == pytest.approx(
        {"clusters": 1, "noise": 0, "nmi": 0, "ari": 0, "purity": 2 / 3, "homogeneity": 0, "completeness": 1,
         "v_measure": 0, "silhouette": 0}
    )  # fmt: skip
    assert task.baselines(encoded) == baselines
    many, codes = fitted(["a", "b", "c"] * 300)
    assert abs(many.baselines(codes)["random"]["ari"]) < 0.01
    assert many.baselines(codes)["random"]["clusters"] == 3


def test_no_network_learns_it_and_no_class_weighs():
    task, encoded = fitted(["a", "b"])
    with pytest.raises(UsageError, match="networks do not support it"):
        task.loss(torch.zeros(2, 1), torch.from_numpy(encoded))
    with pytest.raises(UsageError, match="--class-weights balanced"):
        task.class_weights(encoded, "balanced")
    assert task.class_weights(encoded, "none") is None
