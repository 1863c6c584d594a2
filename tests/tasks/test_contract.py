"""What holds for every registered task, and which of them a table is for."""

import numpy as np
import pytest
import torch

from mmcli.errors import MmcliError, UsageError
from mmcli.evaluation.headline import headline
from mmcli.registry import TASKS, parse_spec
from mmcli.tasks import abilities, infer_task
from mmcli.tasks.several import Several
from mmcli.testing import check_task
from mmcli.testing.task_abilities import CHECKS, check_abilities
from mmcli.testing.tasks import given, outputs_of, predicted

TARGETS = {
    "softmax": ["cat", "dog", "ant", "cat", "cat", "dog"],
    "sigmoid": [["a", "b"], ["b"], [], ["a", "c"], ["a", "b", "c"], ["b"]],
    "identity": [3.5, 2.25, 1000.0, 7.0, 3.5, 0.125],
    "embedding": [*(f"group {number // 2}" for number in range(24)), "id 9", ""],
    "ordinal": ["3", "10", "-1.5", "3", "3", "10"],
    "tokens": ["a red dog", "a red cat", "a dog", "a cat", ["a red dog", "a cat"], "red"],
    "cluster": ["cat", None, "dog", "ant", "cat", "dog"],
    "several": [
        {"kind": kind, "size": size} for kind, size in zip("abcaab", [3.5, 2.0, 9.0, 1.5, 4.0, 5.0], strict=True)
    ],
}
VARIANTS = [
    *TASKS.names(), "regression:loss=mae", "regression:loss=huber,log=true", "regression:loss=quantile,interval=0.5",
    "regression:sentiment=true", "multilabel:loss=asymmetric", "multilabel:threshold=0.3",
    "classification:loss=focal,gamma=0.5", "classification:label_smoothing=0.1", "classification:top_k=2",
    "ordinal:loss=cross_entropy", "ordinal:order=10|none|3|-1.5",
]  # fmt: skip


def targets_of(task):
    """Targets that the task takes: its own, or those for all tasks of its link."""
    return TARGETS.get(type(task).__name__.lower()) or TARGETS[task.link]


def build(text):
    """The task, told what it is told of modalities."""
    if text == "several":
        return Several(
            {"kind": TASKS.build(parse_spec("classification")), "size": TASKS.build(parse_spec("regression"))}
        )
    task = TASKS.build(parse_spec(text))
    if isinstance(task, abilities.ComparesModalities):
        task.take_modalities(["image", "text"])
    return task


@pytest.mark.parametrize("text", VARIANTS)
def test_a_task_keeps_its_contract(text):
    task = build(text)
    check_task(text, targets_of(task), task)


@pytest.mark.parametrize("options", ["", ":threshold=auto", ":threshold=0.3", ":positive=cat"])
def test_so_does_one_of_two_classes(options):
    check_task(f"classification{options}", ["cat", "dog", "dog", "cat", "dog"])


def test_each_ability_is_checked_and_some_task_has_it():
    own = [kind for kind in vars(abilities).values() if isinstance(kind, type)]
    known = {kind for kind in own if kind.__module__ == abilities.__name__}
    assert known == set(CHECKS)
    tasks = [build(text) for text in VARIANTS]
    for task in tasks:
        task.fit(targets_of(task))
    assert {kind for kind in known if any(isinstance(task, kind) for task in tasks)} == known


def test_the_abilities_of_several_targets_are_those_of_their_tasks():
    """Only such a task makes training look at the val rows once more."""
    tuned = Several({"tags": TASKS.build(parse_spec("multilabel"))})
    assert isinstance(tuned, abilities.Tunes)
    assert not isinstance(Several({"size": TASKS.build(parse_spec("regression"))}), abilities.Tunes)


@pytest.mark.parametrize(
    ("text", "name", "wrong", "message"),
    [
        ("classification", "positive", "cat", "without having two classes"),
        ("classification", "skipped_if_unseen", ("accuracy",), "accuracy does not ignore a row"),
        (
            "classification",
            "encode",
            lambda task, targets: np.zeros(len(targets)),
            "class indexes must be integers",
        ),
        ("classification", "tables", lambda task, found, wanted: {}, "there are no tables"),
        ("classification", "by_class", lambda task, found, wanted: {"cat": {}}, "scores are missing"),
        ("classification", "meaning", lambda task: object(), "have another meaning"),
        ("ordinal", "references", lambda task, targets: np.zeros(1), "one reference per row"),
        ("classification", "reads_numbers", True, "a target is not a number"),
        ("regression", "wanted", lambda task, encoded: encoded[:, None] + 1, "do not predict it"),
        ("regression", "levels", [0.5, 0.9], "as many levels as outputs"),
        ("multilabel", "tune", lambda task, found, wanted: TASKS.load("regression")(), "another type of task"),
        ("multilabel", "unseen", lambda task, targets: ["a"], "counts as unseen"),
        ("multilabel", "take_empty", lambda task: None, "an empty cell"),
        (
            "ordinal",
            "metrics_of_draws",
            lambda task, found, wanted, counts: {"mae": -np.ones(2)},
            "mae differs for a draw of all rows",
        ),
        ("captioning", "taught_sums", lambda task, outputs, wanted: torch.ones(3), "sums of two batches"),
        ("captioning", "merged", lambda task, found, targets, groups: (np.arange(6), targets), "are not merged"),
        ("captioning", "example", lambda task, record, target: (None, []), "nothing is right"),
        ("retrieval", "take_modalities", lambda task, names: None, "a single modality"),
        ("retrieval", "baselines_beside", lambda task, found, wanted: {}, "names differ"),
        ("several", "unknown", lambda task, target: ["a"], "unknown to it"),
        ("several", "own_predictions", lambda task, found: {"kind": found}, "a part lacks predictions"),
        ("classification", "score_names", lambda task: ["cat"], "a score per name"),
        ("regression", "main_scores", lambda task, found: np.ones(len(found), int), "a score that is not there"),
    ],
)
def test_an_ability_that_does_not_work_is_found(monkeypatch, text, name, wrong, message):
    torch.manual_seed(0)  # some row is right: where none is, one more that is wrong changes no accuracy
    task = build(text)
    targets = targets_of(task)
    task.fit(targets)
    encoded = task.encode(targets)
    outputs = outputs_of(task, encoded)
    predictions = predicted(task, outputs, encoded)
    monkeypatch.setattr(type(task), name, wrong)
    with pytest.raises(AssertionError, match=message):
        check_abilities(task, targets, task.encode(targets), predictions, given(task, outputs))


@pytest.mark.parametrize("name", TASKS.names())
def test_metrics_that_are_named_exist(name):
    task = build(name)
    targets = targets_of(task)
    task.fit(targets)
    encoded = task.encode(targets)
    found = task.metrics(predicted(task, outputs_of(task, encoded), encoded), encoded)
    assert TASKS.constant(name, "headline") == task.headline
    assert headline(task.headline[:1], found)
    assert task.monitor in {*found, "loss"}


@pytest.mark.parametrize(
    "text",
    [text for text in VARIANTS if "classification" not in text and text not in ("retrieval", "captioning", "several")],
)
def test_metrics_of_draws_are_those_of_the_drawn_rows(text):
    task = TASKS.build(parse_spec(text))
    random = np.random.default_rng(0)
    targets = targets_of(task) * 4
    task.fit(targets)
    encoded = task.encode(targets)
    predictions = task.predictions(torch.from_numpy(random.normal(size=(len(targets), task.out_dim))).round(decimals=1))
    drawn = random.integers(0, len(targets), (50, len(targets)))
    counts = np.stack([np.bincount(rows, minlength=len(targets)) for rows in drawn])
    found = task.metrics_of_draws(predictions, encoded, counts)
    assert len(found) >= 3
    for number, rows in enumerate(drawn):
        expected = task.metrics(predictions[rows], encoded[rows])
        for name, values in found.items():
            assert values[number] == pytest.approx(expected[name], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("regression:los=mae", "unknown option of task 'regression' 'los'; did you mean 'loss'"),
        ("regression:loss=l2", "expected one of mse, mae, huber, quantile"),
        ("regression:loss=quantile,interval=1", "interval must be between 0 and 1, not 1.0"),
        ("multilabel:threshold=1.5", "threshold between 0 and 1, not 1.5"),
        ("multilabel:loss=asymmetric,gamma_neg=0.5", "gamma_neg of 0, or at least 1"),
        ("multilabel:separator=", "separator of one character or more"),
        ("classification:treshold=0.5", "unknown option of task 'classification' 'treshold'; did you mean 'threshold'"),
        ("classification:threshold=1", "threshold of none, auto or a number between 0 and 1, not '1'"),
        ("classification:threshold=half", "a number between 0 and 1, not 'half'"),
        ("classification:loss=hinge", "expected one of cross_entropy, focal"),
        ("classification:gamma=-1", "gamma of 0 or more, not -1.0"),
        ("classification:gamma=nan", "gamma of 0 or more, not nan"),
        ("classification:label_smoothing=1", "label_smoothing from 0 to below 1, not 1.0"),
        ("classification:top_k=1", "top_k of 0, or at least 2, not 1"),
        ("classification:top_k=2.5", "expected a number"),
        ("ordinal:loss=mse", "expected one of rps, cross_entropy"),
        ("ordinal:order=low", "an order of at least two classes, each once, such as low|medium|high, not 'low'"),
        ("ordinal:order=low|high|low", "each once"),
        ("ordinal:order=1|2|1.0", "each once"),
        ("ordinal:order=low||high", "each once"),
    ],
)
def test_a_wrong_option_is_one_line(text, message):
    with pytest.raises(MmcliError) as error:
        TASKS.build(parse_spec(text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_class_weights_are_for_tasks_with_classes():
    task = TASKS.build(parse_spec("regression"))
    task.fit([1, 2])
    assert task.class_weights(task.encode([1, 2]), "none") is None
    with pytest.raises(UsageError, match="regression has no classes"):
        task.class_weights(task.encode([1, 2]), "balanced")
    labels = TASKS.build(parse_spec("multilabel"))
    labels.fit(["a", "b"])
    with pytest.raises(UsageError, match="effective: multilabel supports only none or balanced"):
        labels.class_weights(labels.encode(["a", "b"]), "effective")


# Which task a table is for.


@pytest.mark.parametrize(
    "targets",
    [
        ["a", "b", "a"],
        [True, False],
        [0, 1, 2, 1, 0],
        ["1", "2", "5"],
        [1.0, 2.0],
        [0.5, 1.0, 1.5] * 4,
        [index % 90 for index in range(1000)],
        [f"name {index}" for index in range(100)],
        [0.25, "unknown", 0.75],
        [*(0, 1) * 30, "NA", "NA"],
        [*(index / 7 for index in range(85)), *["unknown"] * 15],  # more than one in ten
        [f"${index},000" for index in range(60)],
    ],
)
def test_few_values_are_classes(targets):
    assert infer_task(targets) == "classification"


@pytest.mark.parametrize(
    "targets",
    [
        [index / 7 for index in range(100)],
        [str(index / 8) for index in range(1, 60)],
        list(range(100)),
        [f"{1000 + index:,}" for index in range(60)],
        [f" {index / 7} " for index in range(60)],
        [*(index / 7 for index in range(78)), "NA", "n/a"],  # cells that say nothing
        [*(index / 7 for index in range(95)), ".", "\\N", "#DIV/0!", "inf", "unknown"],
    ],
)
def test_many_different_numbers_are_numbers(targets):
    assert infer_task(targets) == "regression"


@pytest.mark.parametrize(
    "targets",
    [
        [["a", "b"], ["a"]],
        [[], ["a"]],
        ["a|b", "b", "a", "c|a", "c"],
        [*["red"] * 8, "red|blue", "blue"],
        ["1|2", "2", "1"],
        ["['a', 'b']", "['a']", "[]"],
        ['["a", "b"]', '["a"]', "none"],
        ["{a,b}", "{}", "{b}"],
    ],
)
def test_lists_and_separated_words_are_labels(targets):
    assert infer_task(targets) == "multilabel"


@pytest.mark.parametrize(
    "targets",
    [
        [*["red"] * 20, "red|blue", "blue"],  # in too few cells
        [f"name {index}|title {index}" for index in range(100)],  # none is there twice
    ],
)
def test_a_bar_alone_makes_no_labels(targets):
    assert infer_task(targets) == "classification"


@pytest.mark.parametrize("targets", [[["a"], "b"], [{"a": 1}, {"a": 2}]])
def test_targets_without_a_task_need_the_option(targets):
    with pytest.raises(MmcliError) as error:
        infer_task(targets)
    assert "--task" in str(error.value)
    assert ", ".join(TASKS.names()) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_targets_are_an_error():
    with pytest.raises(MmcliError, match="no targets"):
        infer_task([])
