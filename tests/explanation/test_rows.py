"""Explanations of rows: planted cues are found, absent ones are not, and the numbers are those of brute force."""

from __future__ import annotations

import csv
import itertools
import math

import numpy as np
import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.stages.predict import predict
from tests.conftest import write_csv
from tests.explanation.conftest import CUES, lines
from tests.heard import Heard

NAMES = ("text", "image", "audio", "video", "table")


def cue_shares(rows, name):
    """Return the share of the planted place in each row of the class that has it, and whether it is the largest."""
    found = []
    for row in rows:
        parts = row["inputs"][name]["parts"]
        own = [part for part in parts if all(part[key] == value for key, value in CUES[name].items())]
        if own:
            found.append((own[0]["share"], own[0]["share"] == max(part["share"] for part in parts), own[0]["effect"]))
    return found


def predict_rows(model, source, **options):
    return [row for group in predict(model, str(source), **options) for row in group]


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_cue_gets_most_of_the_effect_by_frozen_features_and_an_estimator(planted, name):
    rows = planted.explain(planted.model(name), explain_target="yes")[::2]
    assert [row["inputs"][name]["method"] for row in rows] == ["occlusion"] * 5
    for share, largest, effect in cue_shares(rows, name):
        assert largest
        assert share > 0.5
        assert effect > 0
    assert len(cue_shares(rows, name)) == 5


@pytest.mark.parametrize("name", ["text", "image"])
def test_a_model_of_random_classes_gives_the_cue_next_to_nothing(planted, name):
    found = [
        cue_shares(planted.explain(planted.model(name, target=target), explain_target="yes")[::2], name)
        for target in ("label", "chance")
    ]
    learnt, random = (np.mean([abs(effect) for _, _, effect in each]) for each in found)
    assert random < 0.25 * learnt


@pytest.mark.parametrize(("name", "encoder"), [("text", "text_cnn"), ("image", "cnn:width=8,depth=1")])
@pytest.mark.parametrize("how", ["occlusion", "gradients"])
def test_a_network_trained_end_to_end_rests_on_the_cue_by_either_method(planted, name, encoder, how):
    model = planted.model(name, "samples", encoder=f"{name}={encoder}", epochs=12)
    rows = planted.explain(model, explain_by=how, explain_target="yes")[::2]
    assert {row["inputs"][name]["method"] for row in rows} == {how}
    for share, largest, effect in cue_shares(rows, name):
        assert largest
        assert share > 0.5
        assert effect > 0


@pytest.mark.parametrize("calibrated", [{}, {"calibrate": True}])
def test_gradients_sum_to_the_difference_from_a_picture_of_one_colour(planted, tmp_path, calibrated):
    from PIL import Image

    model = planted.model("image", "samples", encoder="image=cnn:width=8,depth=1", epochs=12, **calibrated)
    with Image.open(planted.folder / "0.png") as image:
        mean = np.asarray(image).mean(axis=(0, 1)).round().astype(np.uint8)
    Image.fromarray(np.full((28, 28, 3), mean)).save(tmp_path / "mean.png")
    write_csv(tmp_path / "t.csv", [{"id": "mean", "image": "mean.png"}])
    ((plain,),) = predict(model, str(tmp_path / "t.csv"))
    (row,) = planted.explain(model, limit=1, explain_by="gradients", explain_target="yes")
    total = sum(part["effect"] for part in row["inputs"]["image"]["parts"])
    assert total == pytest.approx(row["score"] - plain["probabilities"]["yes"], abs=0.02)


def test_effects_are_the_falls_of_predictions_of_rows_without_the_part(planted, tmp_path):
    model = planted.model("text,table")
    (row,) = planted.explain(model, limit=1)
    text = row["inputs"]["text"]["text"]
    beside = [{"cue": "", "noise": "", "colour": ""}, planted_row(planted, 0)]
    parts = row["inputs"]["text"]["parts"]
    rests = [" ".join(text[: part["start"]].split() + text[part["end"] :].split()) for part in parts]
    assert [text[part["start"] : part["end"]] for part in parts] == [part["word"] for part in parts]
    write_csv(tmp_path / "t.csv", [{**other, "text": each} for other in beside for each in (text, *rests)])
    answers = [answer["probabilities"][row["target"]] for answer in predict_rows(model, tmp_path / "t.csv")]
    alone, all_others = np.split(np.array(answers), 2)
    falls = (alone[0] - alone[1:] + all_others[0] - all_others[1:]) / 2
    np.testing.assert_allclose([part["effect"] for part in parts], falls, atol=1e-6)


def planted_row(planted, number):
    with planted.table.open() as file:
        row = list(csv.DictReader(file))[number]
    return {name: row[name] for name in ("cue", "noise", "colour")}


def test_shapley_values_are_those_of_all_orders_of_the_modalities(planted):
    model = planted.model("text,image,table")
    names = ("image", "table", "text")
    rows = planted.explain(model, limit=4)
    prior = {"yes": 0.5, "no": 0.5}
    answers = {
        part: predict_rows(model, planted.table, limit=4, modalities=[",".join(part)])
        for size in (1, 2, 3)
        for part in itertools.combinations(names, size)
    }
    for number, row in enumerate(rows):
        worth = {part: each[number]["probabilities"][row["target"]] for part, each in answers.items()}
        worth[()] = prior[row["target"]]
        gains = dict.fromkeys(names, 0.0)
        for order in itertools.permutations(names):
            for place, name in enumerate(order):
                gains[name] += worth[tuple(sorted(order[: place + 1]))] - worth[tuple(sorted(order[:place]))]
        assert row["modalities"] == pytest.approx({name: gain / math.factorial(3) for name, gain in gains.items()})
        assert sum(row["modalities"].values()) == pytest.approx(row["score"] - row["without_inputs"])
        assert row["without_inputs"] == prior[row["target"]]


def test_a_number_is_explained_in_its_own_unit(planted, tmp_path):
    model = planted.model("table", target="amount", model="sklearn:ridge")
    rows = planted.explain(model)
    with planted.table.open() as file:
        cells = list(csv.DictReader(file))
    mean = np.mean([float(row["cue"]) for row in cells if row["split"] == "train"])
    write_csv(tmp_path / "t.csv", [{**row, "cue": mean} for row in cells[:10]])
    changed = predict_rows(model, tmp_path / "t.csv")
    for row, other in zip(rows, changed, strict=True):
        cue = row["inputs"]["table"]["parts"][0]
        assert (row["target"], cue["column"]) == ("value", "cue")
        assert cue["effect"] == pytest.approx(row["score"] - other["value"], abs=1e-5)


def test_one_of_several_targets_is_explained(planted):
    model = planted.model("table", target=("label", "amount"), model="network", epochs=15)
    for asked, target in ((None, "label=yes"), ("amount", "amount=value"), ("label=no", "label=no")):
        (row,) = planted.explain(model, limit=1, explain_target=asked)
        (answer,) = predict_rows(model, planted.table, limit=1)
        own = {"label=yes": ("label", "probabilities", "yes"), "label=no": ("label", "probabilities", "no")}
        path = own.get(target, ("amount", "value"))
        score = answer["targets"]
        for key in path:
            score = score[key]
        assert (row["target"], row["score"]) == (target, pytest.approx(score))
        cue = max(row["inputs"]["table"]["parts"], key=lambda part: part["share"])
        assert (cue["column"], cue["effect"] > 0) == ("cue", target != "label=no")


def test_a_folder_has_lines_and_pictures_and_the_same_bytes_again(planted, tmp_path):
    model = planted.model("text,image,audio,video,table")
    found = []
    for name in ("one", "two"):
        result = predict(model, str(planted.table), tmp_path / name, explain="inputs", limit=2)
        assert result.to_json() == {"rows": 2, "output": str(tmp_path / name)}
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file() and path.name != "run.json")
        found.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert found[0] == found[1]
    rows = lines(tmp_path / "one/explanations.jsonl")
    answers = predict_rows(model, planted.table, limit=2)
    assert lines(tmp_path / "one/predictions.jsonl") == answers
    for row, answer in zip(rows, answers, strict=True):
        assert (row["id"], row["target"]) == (answer["id"], answer["label"])
        assert row["score"] == pytest.approx(answer["probability"])
        assert set(row["inputs"]) == set(NAMES)
        for name in ("image", "audio", "video"):
            assert (tmp_path / "one" / row["inputs"][name]["picture"]).read_bytes().startswith(b"\x89PNG")


def test_an_artifact_of_features_is_explained_as_its_rows_are(planted):
    model = planted.model("text,table")
    (row,) = planted.explain(model, limit=1)
    ((stored,),) = predict(model, str(planted.folder / "features"), explain="inputs", limit=1)
    assert stored["modalities"] == pytest.approx(row["modalities"])
    for name in ("text", "table"):
        for one, other in zip(stored["inputs"][name]["parts"], row["inputs"][name]["parts"], strict=True):
            assert one == pytest.approx(other, abs=1e-6)


def test_rows_whose_files_are_gone_are_explained_by_modality_with_a_warning(planted, tmp_path):
    reporter = Heard()
    model, source = planted.model("text,image"), str(planted.folder / "features")
    ((row,),) = predict(model, source, explain="inputs", limit=1, root=str(tmp_path), reporter=reporter)
    assert set(row["modalities"]) == {"image", "text"}
    assert list(row["inputs"]) == ["text"]
    assert reporter.warnings == [
        "image: explained only as a whole in 1 of 1 rows, whose input cannot be read; give the table that the rows "
        "come from, or --root"
    ]


def test_a_long_text_is_explained_by_gradients_or_by_groups_of_words(planted, tmp_path):
    words = ["river", "cloud"] * 40
    words[50] = "zebra"
    write_csv(tmp_path / "t.csv", [{"id": "long", "text": " ".join(words)}])
    network = planted.model("text", "samples", encoder="text=text_cnn", epochs=12)
    for model, method, count in ((network, "gradients", 80), (planted.model("text"), "occlusion", 64)):
        ((row,),) = predict(model, str(tmp_path / "t.csv"), explain="inputs", explain_target="yes")
        text = row["inputs"]["text"]
        assert (text["method"], len(text["parts"])) == (method, count)
        assert "zebra" in max(text["parts"], key=lambda part: part["effect"])["word"]
        assert " ".join(part["word"] for part in text["parts"]) == text["text"]


def test_only_the_first_rows_are_explained_unless_asked(planted):
    reporter = Heard()
    rows = planted.explain(planted.model("table"), limit=None, reporter=reporter)
    assert len(rows) == 20
    assert reporter.warnings == ["only the first 20 rows are explained: --limit N explains N"]
    assert len(planted.explain(planted.model("table"), limit=25)) == 25


def test_a_modality_that_a_row_lacks_is_not_explained(planted, tmp_path):
    write_csv(tmp_path / "t.csv", [{"id": "1", "text": "zebra", "cue": ""}, {"id": "2", "text": "", "cue": ""}])
    ((one, none),) = predict(planted.model("text,table"), str(tmp_path / "t.csv"), explain="inputs")
    assert list(one["modalities"]) == list(one["inputs"]) == ["text"]
    assert (none["modalities"], none["inputs"], none["score"]) == ({}, {}, none["without_inputs"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"explain_target": "maybe"}, "unknown class or label in --explain-target 'maybe'"),
        ({"explain_by": "gradients"}, "--explain-by gradients: no input of this model has them"),
        ({"explain": "weights", "explain_target": "yes"}, "--explain-target: only with --explain inputs"),
    ],
)
def test_predictions_that_cannot_be_explained_are_refused(planted, options, message):
    with pytest.raises((UsageError, MmcliError), match=message):
        list(predict(planted.model("table"), str(planted.table), **{"explain": "inputs", "limit": 1, **options}))


def test_a_file_of_predictions_is_no_folder(planted, tmp_path):
    with pytest.raises(UsageError, match="--explain inputs writes a folder; name one, such as"):
        predict(planted.model("table"), str(planted.table), tmp_path / "why.csv", explain="inputs")
