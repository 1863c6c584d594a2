"""Estimators in the place of a head: the same answers as scikit-learn, row by row, from files that run nothing."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import skops.io
import torch
from scipy.special import expit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import adjusted_rand_score, pairwise_distances
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, SVR

from mmcli.errors import MmcliError, UsageError
from mmcli.models.estimator_head import EstimatorHead
from mmcli.models.estimators import ESTIMATORS, build_estimator, check_model, options_of_estimator
from mmcli.registry import parse_spec
from mmcli.testing import check_estimator

CLASSIFIERS = {
    "logistic_regression:C=0.5": LogisticRegression(C=0.5, max_iter=1000, random_state=3),
    "ridge": CalibratedClassifierCV(RidgeClassifier(random_state=3), ensemble=False, cv=5),
    "svm:kernel=linear": CalibratedClassifierCV(SVC(kernel="linear"), ensemble=False, cv=5),
    "random_forest:n_estimators=20,max_depth=4": RandomForestClassifier(20, max_depth=4, random_state=3),
    "extra_trees:n_estimators=20": ExtraTreesClassifier(20, random_state=3),
    "hist_gradient_boosting:max_iter=5": HistGradientBoostingClassifier(max_iter=5, random_state=3),
    "knn:n_neighbors=3": KNeighborsClassifier(3, algorithm="brute"),
    "naive_bayes": GaussianNB(),
    "lda": LinearDiscriminantAnalysis(),
}
REGRESSORS = {
    "ridge:alpha=2": Ridge(2, random_state=3),
    "svm": SVR(),
    "random_forest:n_estimators=20": RandomForestRegressor(20, random_state=3),
    "extra_trees:n_estimators=20": ExtraTreesRegressor(20, random_state=3),
    "hist_gradient_boosting:max_iter=5": HistGradientBoostingRegressor(max_iter=5, random_state=3),
    "knn": KNeighborsRegressor(algorithm="brute"),
}
CLUSTERERS = ["kmeans:n_clusters=3", "agglomerative:n_clusters=3", "hdbscan:min_cluster_size=8"]


@pytest.fixture(scope="module")
def rows():
    """Rows in three groups, the group of each, labels of which one is on no row and one on all, and numbers."""
    random = np.random.default_rng(0)
    groups = np.arange(150) % 3
    fused = random.normal(size=(150, 5)).astype("f4")
    fused[:, 0] += 4 * groups
    fused[:, 1] -= 4 * (groups == 1)
    labels = np.stack([groups == 1, np.zeros(150), np.ones(150), fused[:, 2] > 0], axis=1).astype("u1")
    return fused, groups, labels, fused[:, :1].astype("f8") ** 2


def head(name, link, outputs, **given):
    if link == "identity":
        given.setdefault("wanted", lambda encoded: encoded)
    return EstimatorHead(5, outputs, spec=parse_spec(f"sklearn:{name}"), link=link, seed=3, **given)


def fitted(name, link, rows):
    made = head(name, link, {"softmax": 3, "sigmoid": 4}.get(link, 1))
    told = made.fit(rows[0], {"softmax": rows[1], "sigmoid": rows[2], "identity": rows[3], "cluster": None}[link])
    return made, told


EVERY = [
    *((name, link) for name in CLASSIFIERS for link in ("softmax", "sigmoid")),
    *((name, "identity") for name in REGRESSORS),
    *((name, "cluster") for name in CLUSTERERS),
]


def test_every_estimator_is_tried():
    tried = {(name.partition(":")[0], link) for name, link in EVERY}
    links = {"classes": ("softmax", "sigmoid"), "numbers": ("identity",), "clusters": ("cluster",)}
    assert tried == {(name, link) for name, entry in ESTIMATORS.items() for role in entry.roles for link in links[role]}


@pytest.mark.parametrize("name", [*CLASSIFIERS, *REGRESSORS, *CLUSTERERS])
def test_every_one_keeps_the_contract(name):
    check_estimator(name)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_of_classes_are_scikit_learns(name, rows):
    fused, classes, labels, _ = rows
    expected = CLASSIFIERS[name].fit(fused.astype("f8"), classes).predict_proba(fused.astype("f8"))
    outputs = fitted(name, "softmax", rows)[0](torch.from_numpy(fused)).numpy()
    np.testing.assert_allclose(softmax(outputs, axis=1), expected, atol=1e-9)
    of_labels = expit(fitted(name, "sigmoid", rows)[0](torch.from_numpy(fused)).numpy())
    np.testing.assert_allclose(of_labels[:, 1:3], np.tile([0.0, 1.0], (150, 1)), atol=1e-9)
    alone = CLASSIFIERS[name].fit(fused.astype("f8"), labels[:, 3]).predict_proba(fused.astype("f8"))[:, 1]
    np.testing.assert_allclose(of_labels[:, 3], alone, atol=1e-9)


@pytest.mark.parametrize("name", REGRESSORS)
def test_numbers_are_scikit_learns(name, rows):
    fused, *_, numbers = rows
    expected = REGRESSORS[name].fit(fused.astype("f8"), numbers[:, 0]).predict(fused.astype("f8"))
    outputs = fitted(name, "identity", rows)[0](torch.from_numpy(fused)).numpy()
    np.testing.assert_allclose(outputs[:, 0], expected, rtol=1e-12)


def test_only_gradient_boosting_learns_quantiles(rows):
    fused, *_, numbers = rows
    made = head("hist_gradient_boosting:max_iter=20", "identity", 2, levels=[0.1, 0.9])
    made.fit(fused, np.repeat(numbers, 2, axis=1))
    outputs = made(torch.from_numpy(fused)).numpy()
    for place, level in enumerate((0.1, 0.9)):
        one = HistGradientBoostingRegressor(loss="quantile", quantile=level, max_iter=20, random_state=3)
        np.testing.assert_allclose(outputs[:, place], one.fit(fused.astype("f8"), numbers[:, 0]).predict(fused))
    with pytest.raises(UsageError, match="sklearn:ridge: does not learn quantiles"):
        head("ridge", "identity", 3, levels=[0.1, 0.5, 0.9])


def test_clusters_are_scikit_learns_and_new_rows_go_to_that_of_the_nearest(rows):
    fused, groups, *_ = rows
    double = fused.astype("f8")
    new = double[:40] + np.random.default_rng(1).normal(0, 0.3, (40, 5))
    nearest = pairwise_distances(new, double).argmin(axis=1)
    by_hand = {
        "kmeans:n_clusters=3": KMeans(3, n_init=10, random_state=3).fit(double),
        "agglomerative:n_clusters=3": AgglomerativeClustering(3).fit(double),
        "hdbscan:min_cluster_size=8": HDBSCAN(min_cluster_size=8, copy=True).fit(double),
    }
    assert -1 in by_hand["hdbscan:min_cluster_size=8"].labels_
    for name in CLUSTERERS:
        made, told = fitted(name, "cluster", rows)
        outputs = made(torch.from_numpy(fused)).numpy()
        assert told is None
        np.testing.assert_array_equal(outputs[:, 0], by_hand[name].labels_)
        np.testing.assert_array_equal(outputs[:, 1:], double)
        expected = by_hand[name].predict(new) if "kmeans" in name else by_hand[name].labels_[nearest]
        np.testing.assert_array_equal(made(torch.from_numpy(new))[:, 0], expected)
    assert adjusted_rand_score(groups, by_hand["kmeans:n_clusters=3"].labels_) > 0.9


@pytest.mark.parametrize("name", ["kmeans", "agglomerative"])
def test_the_number_of_clusters_is_chosen_and_reported(name, rows):
    made, told = fitted(name, "cluster", rows)
    assert told.startswith("3 clusters, ")
    assert set(made(torch.from_numpy(rows[0]))[:, 0].tolist()) == {0, 1, 2}
    one = head(name, "cluster", 1)
    one.fit(np.ones((6, 5)), None)
    assert set(one(torch.ones(2, 5))[:, 0].tolist()) == {0}


@pytest.mark.parametrize(("name", "link"), EVERY)
def test_a_rows_answer_is_its_own_and_survives_the_file(name, link, rows, tmp_path):
    made = fitted(name, link, rows)[0]
    fused = torch.from_numpy(rows[0])
    whole = made(fused)
    one_by_one = torch.cat([made(fused[place : place + 1]) for place in range(12)])
    torch.testing.assert_close(one_by_one, whole[:12], rtol=1e-9, atol=1e-9)
    made.save(tmp_path / "one.skops")
    again = fitted(name, link, rows)[0]
    again.save(tmp_path / "two.skops")
    assert (tmp_path / "one.skops").read_bytes() == (tmp_path / "two.skops").read_bytes()
    other = head(name, link, made.out_dim)
    other.load(tmp_path / "one.skops")
    assert torch.equal(other(fused), whole)
    assert not list(made.parameters())


def test_a_class_of_no_row_is_nearly_impossible(rows):
    fused, classes, *_ = rows
    made = head("naive_bayes", "softmax", 5)
    made.fit(fused, np.where(classes == 2, 4, classes))
    found = softmax(made(torch.from_numpy(fused)).numpy(), axis=1)
    assert np.isfinite(np.log(found)).all()
    assert found[:, 2:4].max() < 1e-12
    expected = GaussianNB().fit(fused.astype("f8"), classes).predict_proba(fused.astype("f8"))
    np.testing.assert_allclose(found[:, [0, 1, 4]], expected, atol=1e-9)


def test_weights_count_as_scikit_learns_do_or_are_refused(rows):
    fused, classes, labels, _ = rows
    weight = np.array([1.0, 5.0, 0.2])
    made = head("logistic_regression", "softmax", 3)
    made.fit(fused, classes, weight)
    by_hand = LogisticRegression(max_iter=1000, class_weight=dict(enumerate(weight))).fit(fused.astype("f8"), classes)
    found = softmax(made(torch.from_numpy(fused)).numpy(), axis=1)
    np.testing.assert_allclose(found, by_hand.predict_proba(fused.astype("f8")), atol=1e-9)
    having = head("naive_bayes", "sigmoid", 4)
    having.fit(fused, labels, np.array([3.0, 1.0, 1.0, 1.0]))
    own = GaussianNB().fit(fused.astype("f8"), labels[:, 0], sample_weight=np.where(labels[:, 0], 3.0, 1.0))
    found = expit(having(torch.from_numpy(fused)).numpy())[:, 0]
    np.testing.assert_allclose(found, own.predict_proba(fused.astype("f8"))[:, 1], atol=1e-9)
    with pytest.raises(UsageError, match="--class-weights: --model sklearn:knn does not take weights"):
        head("knn", "softmax", 3).fit(fused, classes, weight)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sklearn:svn", "unknown --model sklearn: 'svn'; did you mean 'svm'"),
        ("sklearn", "unknown --model sklearn: ''"),
        ("svm", "unknown --model 'svm' (available: network, sklearn:agglomerative"),
        ("sklearn:svm:c=1", "unknown option of --model sklearn:svm 'c'"),
        ("sklearn:random_forest:n_jobs=2", "unknown option of --model sklearn:random_forest 'n_jobs'"),
        ("sklearn:random_forest:random_state=2", "random_state is set by --seed; leave it out"),
        ("network:hidden=3", "network takes no options here"),
    ],
)
def test_a_wrong_model_is_one_line(text, message):
    with pytest.raises(MmcliError) as error:
        check_model(parse_spec(text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "link", "message"),
    [
        ("kmeans", "softmax", "predicts clusters, but this task needs classes; use one of sklearn:extra_trees"),
        ("lda", "identity", "predicts classes, but this task needs numbers"),
        ("svm", "cluster", "predicts classes and numbers, but this task needs clusters"),
        ("svm", "tokens", "no estimator supports this task"),
        ("svm:epsilon=0.1", "softmax", "epsilon is not an option for predicting classes"),
    ],
)
def test_an_estimator_that_does_not_suit_the_task_is_one_line(name, link, message):
    with pytest.raises(UsageError) as error:
        head(name, link, 3)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_value_or_rows_that_it_does_not_take_are_one_line(rows):
    fused, classes, *_ = rows
    for name, message in (("random_forest:n_estimators=-1", "n_estimators"), ("lda:solver=qr", "'solver' parameter")):
        with pytest.raises(UsageError) as error:
            head(name, "softmax", 3).fit(fused, classes)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="need two train rows per class"):
        head("svm", "softmax", 3).fit(fused[:7], np.array([0, 0, 0, 1, 1, 1, 2]))


def test_options_have_the_defaults_that_are_used():
    for name, entry in ESTIMATORS.items():
        for role in entry.roles:
            used = build_estimator(parse_spec(f"sklearn:{name}"), role, 0).get_params()
            assert {
                key: value
                for key, value in options_of_estimator(entry).items()
                if key in used and role == entry.roles[0]
            }.items() <= used.items()


class TestFiles:
    @pytest.fixture
    def saved(self, rows, tmp_path):
        made, _ = fitted("random_forest:n_estimators=3", "softmax", rows)
        made.save(tmp_path / "estimator.skops")
        return tmp_path / "estimator.skops"

    def refused(self, path, message, name="random_forest:n_estimators=3"):
        with pytest.raises(MmcliError) as error:
            head(name, "softmax", 3).load(path)
        assert message in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("length", [0, 10, 1000, -100])
    def test_cut_off(self, saved, length):
        saved.write_bytes(saved.read_bytes()[:length])
        self.refused(saved, "damaged, or not the estimator of a model")

    def test_something_else(self, saved):
        skops.io.dump([np.ones(3), {"a": 1}], saved)
        self.refused(saved, "the estimator of another model")
        skops.io.dump({"a": 1}, saved)
        self.refused(saved, "damaged, or not the estimator")

    def test_of_another_name_or_width(self, saved, rows):
        self.refused(saved, "the estimator of another model", "extra_trees:n_estimators=3")
        skops.io.dump([RandomForestClassifier(3).fit(rows[0][:, :4], rows[1])], saved)
        self.refused(saved, "the estimator of another model")

    def test_types_that_no_estimator_uses_are_refused(self, saved, tmp_path):
        schema = {
            "__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": "system",
            "__id__": 1, "protocol": 2, "_skops_version": "0.13",
        }  # fmt: skip
        with zipfile.ZipFile(saved, "w") as file:
            file.writestr("schema.json", json.dumps(schema))
        with pytest.raises(MmcliError) as error:
            head("svm", "softmax", 3).load(saved)
        assert "not loaded" in str(error.value) or "damaged" in str(error.value)

    def test_squeezed_files_are_refused_before_they_swell(self, saved):
        with zipfile.ZipFile(saved) as file:
            parts = {name: file.read(name) for name in file.namelist()}
        with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as file:
            for name, part in parts.items():
                file.writestr(name, part)
        self.refused(saved, "damaged")

    @pytest.mark.parametrize("name", ["random_forest:n_estimators=2", "hist_gradient_boosting:max_iter=2"])
    def test_trees_that_lead_nowhere_are_refused_before_they_are_followed(self, saved, rows, name):
        for field, value in (("children_left", 10**6), ("children_left", 0), ("feature", 5)):
            made, _ = fitted(name, "softmax", rows)
            if name.startswith("random"):
                getattr(made.parts[0].estimators_[0].tree_, field)[0] = value
            else:
                own = {"children_left": "left", "feature": "feature_idx"}[field]
                made.parts[0]._predictors[0][0].nodes[own][0] = value
            made.save(saved)
            self.refused(saved, "the estimator of another model", name)

    @pytest.mark.parametrize(
        ("name", "link", "spoil"),
        [
            ("svm", "identity", lambda part: setattr(part, "_n_support", part._n_support + 10**6)),
            ("svm", "identity", lambda part: setattr(part, "support_vectors_", part.support_vectors_[:, :2])),
            ("svm", "softmax", lambda part: part.calibrated_classifiers_[0].estimator.set_params(kernel="precomputed")),
            ("svm", "softmax", lambda part: setattr(part.calibrated_classifiers_[0], "estimator", GaussianNB())),
            ("kmeans:n_clusters=3", "cluster", lambda part: setattr(part, "_n_threads", 10**6)),
            ("kmeans:n_clusters=3", "cluster", lambda part: setattr(part, "cluster_centers_", np.ones((3, 1)))),
            ("knn", "identity", lambda part: setattr(part, "_fit_method", "kd_tree")),
            ("random_forest:n_estimators=2", "identity", lambda part: part.set_params(n_jobs=10**6)),
            ("ridge", "identity", lambda part: delattr(part, "n_features_in_")),
        ],
    )
    def test_arrays_that_do_not_go_together_are_refused_before_they_are_used(self, saved, rows, name, link, spoil):
        made, _ = fitted(name, link, rows)
        made.save(saved)
        head(name, link, made.out_dim).load(saved)
        spoil(made.parts[0])
        made.save(saved)
        with pytest.raises(MmcliError, match="the estimator of another model"):
            head(name, link, made.out_dim).load(saved)
