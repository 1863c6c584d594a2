"""Metrics of named classes against scikit-learn: a positive class, classes of no train row, each class alone."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import metrics

from mmcli.errors import UsageError
from mmcli.evaluation.intervals import draw_metrics, intervals
from mmcli.tasks.abilities import measures
from mmcli.tasks.classification import Classification
from mmcli.tasks.multilabel import Multilabel
from mmcli.tasks.ordinal import Ordinal
from mmcli.tasks.several import Several

CASES = range(8)


def drawn(seed, names, rows=60, unseen=()):
    """Return a task fitted to these names, predictions, and the names that rows have, some of no train row."""
    random = np.random.default_rng(seed)
    task = Classification()
    task.fit(list(names) * 3 + [names[0]])
    truth = random.choice([*names, *unseen], rows).tolist()
    there = np.array([task.classes.index(name) if name in task.classes else 0 for name in truth])
    outputs = random.normal(size=(rows, len(names))).round(decimals=1) + np.eye(len(names))[there]
    return task, task.predictions(torch.from_numpy(outputs)), truth


@pytest.mark.parametrize("seed", CASES)
@pytest.mark.parametrize("positive", ["disease", "healthy"])
def test_figures_of_two_classes_are_those_of_the_positive_one(seed, positive):
    task, probabilities, truth = drawn(seed, ["disease", "healthy"])
    task.take_positive(positive)
    found = task.metrics(probabilities, task.references(truth))
    place = task.classes.index(positive)
    said = [task.classes[number] for number in probabilities.argmax(axis=1)]
    expected = metrics.precision_recall_fscore_support(truth, said, pos_label=positive, average="binary")[:3]
    assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(expected)
    own, score = [name == positive for name in truth], probabilities[:, place]
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(own, score))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(own, score))
    assert found == task.metrics(probabilities, task.encode(truth))


@pytest.mark.parametrize(
    ("targets", "positive"),
    [
        (["healthy"] * 9 + ["disease"], "disease"),
        (["disease"] * 9 + ["healthy"], "healthy"),
        ([0, 0, 0, 1], "1"),
        ([1, 1, 0], "0"),
        ([True, False], "true"),
        (["no", "yes"], "yes"),
        (["False", "True ", "true"], "false"),
        (["1.0", "0", "1", 0.0], "1"),
        (["a", "b", "c"], None),
    ],
)
def test_the_rarer_class_of_train_is_the_positive_one_of_equals_the_second(targets, positive):
    task = Classification()
    task.fit(targets)
    assert task.positive == positive
    assert "positive" not in task.state().values  # nobody chose it
    other = Classification()
    other.load_state(task.state())
    assert other.positive == positive


@pytest.mark.parametrize(("written", "positive"), [(" 1.0", "1"), ("0", "0"), (1, "1")])
def test_a_positive_class_is_named_however_it_is_written(written, positive):
    task = Classification(positive=str(written))
    task.fit([0, 0, 1])
    assert task.positive == positive
    other = Classification()
    other.load_state(task.state())
    assert other.positive == positive


def test_a_positive_class_must_be_one_of_two():
    task = Classification()
    task.fit(["a", "b"])
    with pytest.raises(UsageError, match=r"positive class 'c': expected 'a' or 'b'$"):
        task.take_positive("c")
    task.fit(["a", "b", "c"])
    with pytest.raises(UsageError, match=r"positive class 'c': expected two classes, found 3$"):
        task.take_positive("c")


@pytest.mark.parametrize("seed", CASES)
@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c", "d"]])
def test_a_row_of_a_class_that_no_train_row_has_is_wrong(seed, names):
    task, probabilities, truth = drawn(seed, names, unseen=["novel", "zz"])
    wanted = task.references(truth)
    found = task.metrics(probabilities, wanted)
    said = [task.classes[number] for number in probabilities.argmax(axis=1)]
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, said))
    for average in ("macro", "micro", "weighted"):
        scores = metrics.precision_recall_fscore_support(truth, said, average=average, zero_division=0)[:3]
        assert [found[f"{average}_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(scores)
    seen = np.array([name in names for name in truth])
    known = task.metrics(probabilities[seen], task.references([name for name in truth if name in names]))
    for name in task.skipped_if_unseen:
        assert found[name] == known[name]
    each = task.by_class(probabilities, wanted)
    labels = [*names, *sorted(set(truth) - set(names))]
    assert list(each) == labels
    scores = metrics.precision_recall_fscore_support(truth, said, labels=labels, zero_division=0)
    for place, name in enumerate(labels):
        assert list(each[name].values()) == pytest.approx([score[place] for score in scores])
    assert task.tables(probabilities, wanted)["confusion"] == {
        "classes": labels, "counts": metrics.confusion_matrix(truth, said, labels=labels).tolist(),
    }  # fmt: skip
    assert task.row_scores(probabilities, wanted)["accuracy"].mean() == pytest.approx(found["accuracy"])
    for name, (low, high) in intervals(
        draw_metrics(partial(task.metrics_of_draws, probabilities, wanted), len(truth))
    ).items():
        assert low <= high
        assert low - 0.1 < found[name] < high + 0.1


@pytest.mark.filterwarnings("error")
def test_rows_of_unseen_classes_alone_are_all_wrong():
    task, probabilities, _ = drawn(0, ["a", "b"])
    wanted = task.references(["novel"] * 60)
    found = task.metrics(probabilities, wanted)
    assert found["accuracy"] == found["macro_f1"] == found["precision"] == found["f1"] == 0
    assert not set(task.skipped_if_unseen) & set(found)
    assert all(np.isfinite(value) for value in found.values())
    drawn_metrics = intervals(draw_metrics(partial(task.metrics_of_draws, probabilities, wanted), 60))
    assert drawn_metrics["accuracy"] == [0, 0]
    assert not set(task.skipped_if_unseen) & set(drawn_metrics)
    assert task.baselines(wanted)["majority"]["accuracy"] == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", CASES)
def test_a_class_without_a_rank_is_wrong_at_no_distance(seed):
    random = np.random.default_rng(seed)
    task = Ordinal(order="low|mid|high")
    task.fit(["low", "mid", "high"])
    probabilities = task.predictions(torch.from_numpy(random.normal(size=(40, 3))))
    truth = random.choice(["low", "mid", "high", "extreme"], 40).tolist()
    found = task.metrics(probabilities, task.references(truth))
    said = [task.classes[rank] for rank in task.decide(probabilities)]
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
    ranked = np.array([name in task.classes for name in truth])
    known = task.metrics(probabilities[ranked], task.encode([name for name in truth if name in task.classes]))
    assert {name: found[name] for name in task.skipped_if_unseen} == pytest.approx(
        {name: known[name] for name in task.skipped_if_unseen}
    )
    counts = np.stack([np.bincount(random.integers(0, 40, 40), minlength=40) for _ in range(20)])
    draws = task.metrics_of_draws(probabilities, task.references(truth), counts)
    for number, own in enumerate(counts):
        rows = np.repeat(np.arange(40), own)
        expected = task.metrics(probabilities[rows], task.references([truth[row] for row in rows]))
        for name, values in draws.items():
            assert values[number] == pytest.approx(expected[name])
    alone = task.metrics(probabilities, task.references(["extreme"] * 40))
    assert alone == pytest.approx(
        {
            "accuracy": 0.0,
            "ece": probabilities.max(axis=1).mean(),
            "brier": (np.square(probabilities).sum(axis=1) + 1).mean(),
        }
    )


@pytest.mark.parametrize("seed", CASES)
def test_labels_have_their_own_figures(seed):
    random = np.random.default_rng(seed)
    task = Multilabel(threshold=0.4)
    task.fit([["a", "b", "c", "d"], []])
    truth = random.random((50, 4)) < [0.5, 0.1, 0.9, 0]
    probabilities = random.random((50, 4))
    found = task.by_class(probabilities, truth)
    scores = metrics.precision_recall_fscore_support(truth, probabilities >= 0.4, average=None, zero_division=0)
    for place, label in enumerate("abcd"):
        assert list(found[label].values()) == pytest.approx([score[place] for score in scores])


def test_several_targets_count_unseen_classes_as_wrong_each_its_own():
    parts = {"kind": Classification(), "tags": Multilabel(), "size": Ordinal()}
    task = Several(parts)
    task.fit([{"kind": "ab"[n % 2], "tags": "x|y" if n % 3 else "y", "size": str(n % 3)} for n in range(12)])
    targets = [
        {"kind": "a", "tags": "x", "size": "1"},
        {"kind": "novel", "tags": None, "size": None},
        {"kind": None, "tags": "q", "size": "9"},
        {"kind": None, "tags": None, "size": None},
        None,
    ]
    assert [task.measures(target) for target in targets] == [True, True, True, False, False]
    assert [measures(task, target) for target in targets] == [True, True, True, False, False]
    assert [task.unknown(target) for target in targets] == [[], ["kind novel"], ["size 9"], [], []]
    wanted = task.references(targets[:3])
    assert task.counts(wanted) == {"kind": 2, "tags": 2, "size": 2}
    sure = np.concatenate([part.prior() for part in parts.values()])
    found = task.metrics(np.tile(sure, (3, 1)), wanted)
    assert found["kind.accuracy"] == 0.5
    assert list(task.by_class(np.tile(sure, (3, 1)), wanted)["kind"]) == ["a", "b", "novel"]


# Targets that are written otherwise.


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_older_model_whose_classes_are_named_in_another_form_still_knows_them(form):
    import unicodedata

    task = Classification()
    task.fit(["café", "thé"])
    state = task.state()
    state.values["classes"] = [unicodedata.normalize(form, name) for name in state.values["classes"]]
    other = Classification()
    other.load_state(state)
    assert other.encode(["cafe\u0301", "thé "]).tolist() == [0, 1]
    assert all(map(other.known, ["café", "the\u0301"]))


@pytest.mark.parametrize("learnt", [[True, False, True], ["0", "1", "1.0"]])
def test_true_and_false_are_1_and_0_to_a_model_of_the_one_or_the_other(learnt):
    task = Classification()
    task.fit(learnt)
    assert task.encode([True, "false", 1, "0.0", "TRUE ", 0]).tolist() == [1, 0, 1, 0, 1, 0]
    assert task.indexes(task.references(["1", "true", "2"])).tolist() == [1, 1, 2]
    task.fit([True, False, "unsure"])
    assert not task.known(1)


def test_lists_of_labels_may_be_written_as_text():
    rows = [["comedy", "drama"], ["action"], [], ["drama"], ["comedy"]]
    for write in (str, lambda row: str(row).replace("'", '"'), lambda row: "{" + ",".join(row) + "}"):
        task = Multilabel()
        task.fit([write(row) for row in rows])
        assert task.labels == ["action", "comedy", "drama"]
        assert task.decode(task.encode([write(row) for row in rows])) == [sorted(row) for row in rows]
        other = Multilabel()
        other.load_state(task.state())
        assert np.array_equal(other.encode([write(row) for row in rows]), task.encode(rows))


def test_brackets_in_a_label_are_letters_where_cells_are_no_lists():
    task = Multilabel()
    task.fit(["[deleted]", "x|y", "x", "y"])
    assert task.labels == ["[deleted]", "x", "y"]


def test_labels_are_trimmed_and_of_one_form():
    task = Multilabel()
    task.fit(["a | cafe\u0301", "café |a ", [1, 1.0, "1"], [True]])
    assert task.labels == ["1", "a", "café", "true"]


def test_an_empty_cell_means_no_label_if_empty_is_true():
    plain = Multilabel()
    plain.fit(["a", "b"])
    assert not plain.known(None)
    task = Multilabel(empty=True)
    task.fit(["a", None, "b"])
    assert task.known(None)
    assert task.decode(task.encode([None, "a"])) == [[], ["a"]]
    other = Multilabel()
    other.load_state(task.state())
    assert other.known(None)
    columns = Multilabel(empty=True)
    columns.fit([{"x": 1, "y": None}, {"x": None, "y": "1"}])
    assert columns.decode(columns.encode([{"x": None, "y": None}, {"x": "1", "y": None}])) == [[], ["x"]]
