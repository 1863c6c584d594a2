"""Captions through all stages: learnt from several texts a row, measured, written the same from raw and stored rows."""

from __future__ import annotations

import base64
import csv
import json
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mmcli.errors import MmcliError, UsageError
from mmcli.inference.prediction_file import write_predictions
from mmcli.registry import FUSIONS
from mmcli.stages.compare import compare
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.conftest import make_table, write_csv

TEXTS = {
    "red": ["A red square, it is warm.", "the square is red"],
    "green": ["A green square like grass.", "a square of green"],
    "blue": ["A deep blue square!", "the sea is blue"],
}
TASK = "captioning:separator=bar,min_count=1,width=32,layers=1,heads=2,beam=2,max_length=10"
QUICK = {"epochs": 30, "lr": 1e-2, "dropout": 0.1}


def answers(model, source, **options):
    return [row for group in predict(model, str(source), **options) for row in group]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The small table with two texts a row in place of each class, one row of nothing, and models of it."""
    folder = tmp_path_factory.mktemp("captions")
    make_table(folder)
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["text"] = "|".join(TEXTS[row.pop("label")])
    rows[13] |= {"words": "", "picture": "", "size": ""}
    assert rows[13]["split"] == "test"
    write_csv(folder / "table.csv", rows)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], numeric=["size"],
        target="text", image_size=16,
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features")
    train(str(folder / "features"), folder / "model", task=TASK, **QUICK)
    return folder


def test_captions_are_learnt_and_measured(place, tmp_path):
    report = evaluate(place / "model", str(place / "features"), tmp_path / "report")
    found = json.loads((tmp_path / "report/metrics.json").read_text())
    assert found == report.metrics
    assert (found["task"], found["n"], found["without_modalities"]) == ("captioning", 12, 1)
    assert found["metrics"]["exact"] >= 11 / 12
    assert found["metrics"]["bleu_4"] > 0.9
    assert found["metrics"]["cider"] > 2 * found["baselines"]["commonest"]["cider"]
    assert {"cider", "bleu_4", "rouge_l", "exact"} <= set(found["intervals"])
    for metric, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][metric] <= high
    rows = [json.loads(line) for line in (tmp_path / "report/predictions.jsonl").read_text().splitlines()]
    assert sum(row["caption"] is None for row in rows) == 1
    right = {text.lower() for texts in TEXTS.values() for text in texts}
    assert {row["caption"] for row in rows} - {None} <= right
    assert all(row["score"] < 0 for row in rows if row["caption"])


def test_a_report_shows_examples_with_their_pictures(place, tmp_path):
    evaluate(place / "model", str(place / "features"), tmp_path / "stored")
    evaluate(place / "model", str(place / "table.csv"), tmp_path / "raw")
    rows = [json.loads(line) for line in (tmp_path / "raw/predictions.jsonl").read_text().splitlines()]
    media = [sorted((tmp_path / name / "media").iterdir()) for name in ("stored", "raw")]
    assert [path.read_bytes() for path in media[0]] == [path.read_bytes() for path in media[1]]
    page = (tmp_path / "raw/report.html").read_text(encoding="utf-8")
    for row in rows:
        card = page.partition(f"<h4><bdi>{row['id']}</bdi></h4>")[2].partition("</article>")[0]
        assert (row["caption"] or "nothing: no modality is there") in card
        pictures = re.findall(r'src="data:image/webp;base64,([^"]+)"', card)
        assert len(pictures) == (row["status"]["picture"] == "ok")
        for picture in pictures:
            colour = np.asarray(Image.open(BytesIO(base64.b64decode(picture)))).mean(axis=(0, 1))
            assert ["red", "green", "blue"][colour.argmax()] in row["target"].lower()


def test_raw_rows_and_every_artifact_of_the_chain_give_the_same_captions(place):
    raw = answers(place / "model", place / "table.csv")
    assert len(raw) == 60
    for stage in ("samples", "features"):
        stored = answers(place / "model", place / stage)
        assert [row["caption"] for row in stored] == [row["caption"] for row in raw]
        scores = [[-9 if row["score"] is None else row["score"] for row in rows] for rows in (stored, raw)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_missing_modality_is_no_hindrance(place, tmp_path):
    rows = list(csv.DictReader((place / "table.csv").open()))
    for row in rows:
        row["picture"] = row["size"] = ""
    write_csv(tmp_path / "table.csv", rows)
    found = answers(place / "model", tmp_path / "table.csv", root=str(place))
    told = [row for row in found if row["modalities"] == ["words"]]
    assert len(told) > 50
    assert sum(row_colour(rows, row["id"]) in row["caption"] for row in told) > 0.9 * len(told)
    alone = answers(place / "model", tmp_path / "table.csv", root=str(place), limit=4)
    assert alone == found[:4], "a row's caption does not depend on its neighbours"


def row_colour(rows, identity):
    text = next(row["text"].lower() for row in rows if row["id"] == identity)
    return next(colour for colour in TEXTS if colour in text)


def test_lists_of_json_lines_are_several_texts(place, tmp_path):
    rows = list(csv.DictReader((place / "table.csv").open()))
    lines = [json.dumps({**row, "text": row["text"].split("|")}) for row in rows]
    (tmp_path / "table.jsonl").write_text("\n".join(lines))
    preprocess(
        str(tmp_path / "table.jsonl"), tmp_path / "samples", text=["words"], numeric=["size"], target="text",
        root=str(place),
    )  # fmt: skip
    task = TASK.replace("separator=bar,", "")
    train(str(tmp_path / "samples"), tmp_path / "model", task=task, encoder=["words=embedding"], **QUICK)
    report = evaluate(tmp_path / "model", str(tmp_path / "samples"))
    assert report.metrics["metrics"]["exact"] > 0.8
    write_predictions(tmp_path / "found.csv", predict(tmp_path / "model", str(tmp_path / "samples")))
    with (tmp_path / "found.csv").open() as file:
        assert {"id", "caption", "score"} <= set(next(csv.reader(file)))


def test_rows_with_a_text_each_are_measured_as_one_with_all_of_them(place, tmp_path):
    rows = list(csv.DictReader((place / "table.csv").open()))
    each = [
        {**row, "id": f"{row['id']}.{number}", "thing": row["id"], "text": text}
        for row in rows
        for number, text in enumerate(row["text"].split("|"))
    ]
    write_csv(tmp_path / "table.csv", each)
    preprocess(
        str(tmp_path / "table.csv"), tmp_path / "samples", text=["words"], numeric=["size"], target="text",
        group_by="thing", root=str(place),
    )  # fmt: skip
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    task = TASK.replace("separator=bar,", "")
    train(str(tmp_path / "features"), tmp_path / "model", task=task, **QUICK)
    report = evaluate(tmp_path / "model", str(tmp_path / "features"), tmp_path / "report")
    assert report.metrics["n"] == 12
    lines = (tmp_path / "report/predictions.jsonl").read_text().splitlines()
    assert len(lines) == 24, "every row is answered"
    predicted = [json.loads(line) for line in lines]
    right = [
        {row["target"].rstrip(".!").lower().replace(",", "") for row in predicted[place : place + 2]}
        for place in range(0, 24, 2)
    ]
    said = [row["caption"] and row["caption"].rstrip(".!").replace(",", "") for row in predicted[::2]]
    hits = [text in texts for text, texts in zip(said, right, strict=True) if text]
    assert report.metrics["metrics"]["exact"] * 12 == pytest.approx(sum(hits), abs=1), "the row of nothing has a prior"
    assert sum(hits) > 8


def test_the_decoder_looks_at_the_steps_that_are_stored(steps, tmp_path):
    """Sequences and feature maps, by methods that take vectors, and by one that takes steps."""
    for method, pooling in (("concat", None), ("gated", "attention"), ("attention", None), ("pca", None)):
        model = tmp_path / method
        train(
            str(steps / "features"), model, task="captioning:min_count=1,width=16,heads=2,layers=1,max_length=3",
            method=method, pooling=pooling, epochs=4, lr=1e-2, dropout=0.0,
        )  # fmt: skip
        assert Artifact(model).header["network"]["attends"]
        raw = answers(model, steps / "table.csv")
        stored = answers(model, steps / "features")
        assert [row["caption"] for row in raw] == [row["caption"] for row in stored]
        assert {row["caption"] is None for row in raw if not row["modalities"]} == {True}


def test_the_same_command_gives_the_same_model(place, tmp_path):
    again = train(str(place / "features"), tmp_path / "again", task=TASK, **QUICK)
    assert Artifact(tmp_path / "again").digest == Artifact(place / "model").digest
    assert again.details["task"] == "captioning"


def test_methods_are_compared(place, tmp_path):
    found = compare(
        str(place / "features"), tmp_path / "compared", method=["concat", "gated"], seeds="1", task=TASK, epochs=3
    )
    assert found.found["metric"] == "cider"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "late_mean"}, "this task has a single head that attends to all of them"),
        ({"hidden": "64"}, "this task's head has no hidden layers"),
        ({"class_weights": "balanced"}, "captioning has no classes"),
        ({"model": "sklearn:knn", "epochs": 40}, "--model sklearn:knn: does not write texts"),
        ({"target": ["text", "size"]}, "does not support several targets; give one"),
        ({"monitor": "cider"}, "validation has no value 'cider': there are loss, token_accuracy"),
        ({"task": "captioning:min_count=99"}, "no word occurs 99 times in the train rows"),
    ],
)
def test_options_that_do_not_apply_are_refused_in_one_line(place, tmp_path, options, message):
    with pytest.raises((MmcliError, UsageError)) as error:
        train(str(place / "features"), tmp_path / "model", **{"task": TASK, "epochs": 1, **options})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_pictures_whose_targets_are_texts_are_not_mixed(place, tmp_path):
    with pytest.raises(MmcliError, match="text targets cannot be mixed"):
        train(str(place / "samples"), tmp_path / "model", task=TASK, augment=["picture=mixup"])


def test_every_method_that_fuses_features_writes_captions(place, tmp_path):
    """One step of training each: that it fits together."""
    for name in FUSIONS.names():
        if FUSIONS.constant(name, "kind") != "late":
            method = f"{name}:words" if name == "only" else name
            train(
                str(place / "features"),
                tmp_path / name,
                task=TASK,
                method=method,
                epochs=1,
                projection=8,
                batch_size=64,
            )
            assert len(answers(tmp_path / name, place / "features", limit=4)) == 4
