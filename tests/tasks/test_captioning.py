"""Captions: measures against pycocoevalcap, tokens, and what the task makes of several references."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from mmcli.errors import MmcliError, UsageError
from mmcli.registry import TASKS, parse_spec
from mmcli.tasks._caption_metrics import caption_metrics, caption_scores, cider, rouge_l
from mmcli.tasks._caption_tokens import put_together, words_of

SAMPLES = Path(__file__).parents[2] / "sample_data" / "emoji.csv"
TEXTS = ["A red dog runs.", ["a blue dog sleeps", "the dog, blue, sleeps"], "a red dog runs .", ["a cat"], "a red cat"]


def made(options=""):
    return TASKS.build(parse_spec(f"captioning:min_count=1{options}"))


def fitted(options="", targets=TEXTS):
    task = made(options)
    task.fit(targets)
    return task


def predicted(task, captions, scores=None):
    """Rows of predictions that say these captions."""
    rows = np.full((len(captions), 1 + task.max_length), -1.0)
    for number, caption in enumerate(captions):
        ids = [task.words.index(word) for word in words_of(caption)]
        rows[number, : 1 + len(ids)] = [-0.5 if scores is None else scores[number], *ids]
    return rows


def emoji_captions():
    """Names and keywords of emoji as references, and the captions of their neighbours as what is found."""
    with SAMPLES.open(encoding="utf-8") as file:
        names = [row["name"].lower() for row in csv.DictReader(file)]
    random = np.random.default_rng(0)
    found, wanted = [], []
    for start in random.choice(len(names) - 8, 100, replace=False):
        texts = [
            f"a picture of {names[start]} beside {names[start + 1]} and {names[start + 2]}",
            f"{names[start + 1]} and {names[start]} in a picture of {names[start + 2]}",
            f"the {names[start]}",
            f"a {names[start + 3]} beside a {names[start]} beside a {names[start + 3]}",
        ]
        words = texts[0].split()
        kept = [word for word in words if random.random() < 0.7]
        found.append([*kept, *kept[:2]] if random.random() < 0.5 else texts[random.integers(1, 4)].split())
        wanted.append([text.split() for text in texts[: random.integers(1, 5)]])
    return found, wanted


def by_pycocoevalcap(found, wanted):
    told = {number: [" ".join(words)] for number, words in enumerate(found)}
    true = {number: [" ".join(words) for words in own] for number, own in enumerate(wanted)}
    bleus, _ = Bleu(4).compute_score(true, told, verbose=0)
    scores = dict(zip(("bleu_1", "bleu_2", "bleu_3", "bleu_4"), bleus, strict=True))
    scores["rouge_l"], rouges = Rouge().compute_score(true, told)
    scores["cider"], ciders = Cider().compute_score(true, told)
    return scores, {"rouge_l": rouges, "cider": ciders}


def test_the_measures_are_those_of_pycocoevalcap():
    found, wanted = emoji_captions()
    expected, rows = by_pycocoevalcap(found, wanted)
    metrics = caption_metrics(found, wanted)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    scores = caption_scores(found, wanted)
    for name, values in rows.items():
        np.testing.assert_allclose(scores[name], values, rtol=1e-6, atol=1e-12)
    assert 0.1 < metrics["bleu_4"] < 0.9
    assert metrics["cider"] > 0.5, "else the comparison says little"


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([["a", "dog"], []], [[["a", "dog"], ["the", "dog", "runs"]], [["a", "cat"]]]),
        ([["a", "cat"], ["a", "cat", "a", "cat"]], [[["a", "cat", "sits", "there"]], [["a", "cat"], ["a", "dog"]]]),
        ([["a", "dog", "runs", "off"]], [[["a", "dog", "runs", "off"]]]),
        ([["x"], ["y", "z"], ["z"]], [[["a", "b"]], [["c"]], [["d", "e", "f"]]]),
    ],
)
def test_short_and_empty_captions_are_measured_alike(found, wanted):
    expected, rows = by_pycocoevalcap(found, wanted)
    metrics = caption_metrics(found, wanted)
    # Where nothing is right, pycocoevalcap's BLEU is not quite 0.
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-6, abs=5e-3)
    scores = caption_scores(found, wanted)
    np.testing.assert_allclose(scores["cider"], rows["cider"], atol=1e-9)
    np.testing.assert_allclose(scores["rouge_l"], rows["rouge_l"], atol=1e-9)


def test_measures_by_hand():
    # The longest common subsequence of "a b d" and "a b c d" has 3 words; F = 2.44 P R / (R + 1.44 P).
    assert rouge_l(list("abd"), [list("abcd")]) == pytest.approx(2.44 * 1 * 0.75 / (0.75 + 1.44))
    assert rouge_l([], [["a"]]) == 0
    # Of two rows, each with its own words, a caption that is its reference has a similarity of 1 for each length
    # of n-gram that it has: three of four for three words.
    assert cider([["a", "b", "c"], ["d"]], [[["a", "b", "c"]], [["e"]]]).tolist() == pytest.approx([7.5, 0])
    assert cider([["a"]], [[["a"]]]).tolist() == [0], "of one row no word is rarer than another"


def test_a_row_that_counts_twice_is_measured_twice():
    task = fitted()
    found, targets = ["a red dog runs", "a cat", "a red cat", "dog"], [TEXTS[0], TEXTS[1], TEXTS[4], TEXTS[3]]
    predictions, wanted = predicted(task, found), task.references(targets)
    drawn = task.metrics_of_draws(predictions, wanted, np.array([[2, 0, 1, 1], [1, 1, 1, 1]]))
    rows = [0, 0, 2, 3]
    twice = task.metrics(predictions[rows], wanted[rows])
    for name in ("bleu_1", "bleu_2", "rouge_l", "exact", "length"):
        assert drawn[name][0] == pytest.approx(twice[name])
    scores = task.row_scores(predictions, wanted)
    assert drawn["cider"].tolist() == pytest.approx([scores["cider"][rows].mean(), scores["cider"].mean()])


def test_perfect_captions_and_wrong_ones():
    task = fitted()
    targets = [TEXTS[0], TEXTS[1], TEXTS[4]]
    right = task.metrics(
        predicted(task, ["a red dog runs", "the dog blue sleeps", "a red cat ."]), task.references(targets)
    )
    assert right["exact"] == right["rouge_l"] == right["bleu_1"] == 1, "punctuation does not count"
    assert right["length"] == pytest.approx(11 / 3)
    wrong = task.metrics(predicted(task, ["the", "the", "the"]), task.references([TEXTS[0], TEXTS[4], TEXTS[4]]))
    assert {**wrong, "length": 0} == dict.fromkeys(wrong, 0)


def test_unknown_words_of_references_are_not_lost():
    task = fitted()
    predictions = predicted(task, ["a red", "a cat"])
    texts = ["a red zebra", "a cat"]
    assert task.metrics(predictions, task.references(texts))["bleu_1"] == pytest.approx(math.exp(1 - 5 / 4))
    assert task.metrics(predictions, task.encode(texts))["exact"] == 0.5
    with pytest.raises(MmcliError, match="no rows"):
        task.metrics(predictions[:0], task.references([]))


@pytest.mark.parametrize(
    ("text", "tokens", "again"),
    [
        ("A dog's tri-colored coat, 3.5 m (wet)!", None, "a dog's tri-colored coat, 3.5 m (wet)!"),
        ("Two men don't run .", ["two", "men", "don", "'t", "run", "."], "two men don't run."),
        ("कुत्ता दौड़ता है", ["कुत्ता", "दौड़ता", "है"], "कुत्ता दौड़ता है"),
        ("  ", [], ""),
    ],
)
def test_text_is_taken_apart_and_put_together_again(text, tokens, again):
    found = words_of(text)
    assert tokens is None or found == words_of("".join(text)) == tokens
    assert put_together(found) == again


def test_targets_are_tokens_of_all_texts_with_an_end_behind_each():
    task = fitted(",max_length=4")
    encoded = task.encode(["a red zebra", ["A cat", "a blue dog sleeps well"]])
    index = task.words.index
    assert encoded.shape == (2, 2, 4)
    assert encoded[0].tolist() == [[index("a"), index("red"), index("<unk>"), index("<end>")], [0, 0, 0, 0]]
    assert encoded[1, 0].tolist() == [index("a"), index("cat"), index("<end>"), 0]
    assert encoded[1, 1].tolist() == [index(word) for word in ("a", "blue", "dog", "sleeps")], "cut off, without an end"
    assert task.decode(encoded)[1] == ["a cat", "a blue dog sleeps"]


def test_rare_words_are_unknown_and_the_commonest_text_is_the_baseline():
    task = TASKS.build(parse_spec("captioning"))
    task.fit(["a dog", "a dog", "a cat", "a zebra"])
    assert task.words == ["<pad>", "<begin>", "<end>", "<unk>", "a", "dog"]
    assert task.records(task.prior()[None], np.array([True]))[0]["caption"] == "a dog"
    baseline = task.baselines(task.references(["a dog", "a cat", "a dog", "dog"]))["commonest"]
    assert baseline["exact"] == 0.5
    with pytest.raises(MmcliError, match="min_count=1"):
        task.fit(["a", "b", "c"])


def test_a_cell_may_hold_several_texts():
    task = fitted(",separator=bar", ["a dog | a cat", "a dog"])
    assert task.references(["a cat|a dog"]).tolist() == [["a cat", "a dog"]]
    assert task.encode(["a cat|a dog"]).shape == (1, 2, 3)
    assert made().references(["a cat|a dog"]).tolist() == [["a cat|a dog"]]
    for wrong in (None, {}, [], [""], ["a", 3], "\ud800"):
        assert made().fault(wrong) is not None
        assert not made().known(wrong)
    assert made().fault(7) is None


def test_rows_of_a_group_with_one_answer_are_one_sample_with_all_their_texts():
    task = fitted()
    found = predicted(
        task, ["a dog", "a dog", "a cat", "a dog", "a dog", "a dog"], [-1.0, -1.0, -1.0, -1.0, -1.0, -0.3]
    )
    groups = ["one", "one", "one", "two", None, "one"]
    rows, targets = task.merged(found, ["a", ["b", "c"], "d", "e", "f", "g"], groups)
    assert rows.tolist() == [0, 2, 3, 4, 5], "what is answered alike, but with another score, had another input"
    assert targets == [["a", "b", "c"], ["d"], ["e"], ["f"], ["g"]]
    rows, targets = task.merged(found[:2], ["a", "b"], [None, None])
    assert (rows.tolist(), targets) == ([0, 1], [["a"], ["b"]])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_mean_over_all_tokens_of_all_texts(smoothing):
    task = fitted(f",label_smoothing={smoothing}")
    encoded = task.encode(TEXTS)
    tokens = [number for row in encoded for text in row for number in text if number]
    logits = np.random.default_rng(0).normal(size=(len(tokens), task.out_dim))
    outputs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    missed = -outputs[np.arange(len(tokens)), tokens]
    expected = (1 - smoothing) * missed.mean() - smoothing * outputs.mean()
    given = torch.from_numpy(outputs), torch.from_numpy(encoded)
    assert float(task.loss(*given)) == pytest.approx(expected)
    values = task.taught_values(task.taught_sums(*given) + task.taught_sums(*given))
    assert values["loss"] == pytest.approx(missed.mean()), "without smoothing"
    assert values["token_accuracy"] == pytest.approx((outputs.argmax(1) == tokens).mean())


def test_a_row_without_features_has_no_caption():
    task = fitted()
    records = task.records(predicted(task, ["a red dog, runs", "a"]), np.array([True, False]))
    assert records == [{"caption": "a red dog, runs", "score": -0.5}, {"caption": None, "score": None}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("min_count=0", "min_count of 1 or more, not 0"),
        ("beam=0", "beam from 1 to 100, not 0"),
        ("max_length=0", "max_length from 1 to 1000"),
        ("length_penalty=-1", "length_penalty of 0 or more"),
        ("label_smoothing=1", "label_smoothing from 0 to below 1"),
        ("width=130,heads=4", "a multiple of 2 and of heads, not 130"),
        ("heads=0", "heads of 1 or more"),
        ("layers=0", "layers from 1 to 64"),
    ],
)
def test_an_option_out_of_range_is_one_line(options, message):
    with pytest.raises(UsageError, match=message):
        TASKS.build(parse_spec(f"captioning:{options}"))


def test_there_are_no_classes_to_weigh():
    with pytest.raises(UsageError, match="captioning has no classes"):
        made().class_weights(np.zeros((1, 1, 1)), "balanced")
