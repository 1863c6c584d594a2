"""What an evaluation writes for its page, against values computed another way."""

from __future__ import annotations

import csv
import json
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from PIL import Image
from sklearn import metrics as sk

from mmcli.reports.facts.examples import chosen_rows
from mmcli.reports.facts.matches import matches_of
from mmcli.reports.facts.parts import Part
from mmcli.tasks.regression import Regression
from tests.reports.conftest import CLASSES


@pytest.fixture(scope="module")
def answers(report):
    return [json.loads(line) for line in (report / "predictions.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def samples(report):
    return [json.loads(line) for line in (report / "examples.jsonl").read_text().splitlines()]


def read(report, name):
    return json.loads((report / f"{name}.json").read_text())


def test_curves_and_their_areas_are_those_of_scikit_learn(report, answers, metrics):
    classes = read(report, "curves")[""]["classes"]
    assert [each["name"] for each in classes] == sorted(CLASSES)
    for each in classes:
        true = [answer["target"] == each["name"] for answer in answers]
        score = [answer["probabilities"][each["name"]] for answer in answers]
        assert each["roc_auc"] == pytest.approx(sk.roc_auc_score(true, score))
        assert each["average_precision"] == pytest.approx(sk.average_precision_score(true, score))
        x, y = np.array(each["roc"]).T
        assert np.trapezoid(y, x) == pytest.approx(each["roc_auc"], abs=1e-3)
        assert each["pr"][0][0] == 0
    assert np.mean([each["roc_auc"] for each in classes]) == pytest.approx(metrics["metrics"]["roc_auc"])


def test_lists_hold_the_most_confident_mistakes_first(report, answers, samples):
    (mistakes,) = [each for each in read(report, "lists")["lists"] if each["key"] == "confident_mistakes"]
    wrong = [row for row, answer in enumerate(answers) if answer["label"] != answer["target"]]
    wanted = sorted(wrong, key=lambda row: -answers[row]["probability"])[: len(mistakes["rows"])]
    assert mistakes["rows"] == wanted
    assert len(mistakes["rows"]) == min(8, len(wrong))
    shown = {sample["row"]: sample for sample in samples}
    for row in mistakes["rows"]:
        assert shown[row]["id"] == answers[row]["id"]
        assert shown[row]["answer"]["label"] == answers[row]["label"]


def test_samples_show_the_pictures_sounds_texts_and_cells_of_their_rows(hostile, report, samples):
    rows = {row["id"]: row for row in csv.DictReader((hostile / "table.csv").open(encoding="utf-8"))}
    assert len(samples) == sum(row["split"] == "test" for row in rows.values())
    for sample in samples:
        row, media = rows[sample["id"]], sample["media"]
        assert sample["tables"]["table"] == {"size": row["size"]}
        assert sample["texts"].get("words", "") == row["words"]
        assert set(media) == {"picture", "sound"} - set(sample["absent"])
        if "picture" in media:
            original = np.asarray(Image.open(hostile / row["picture"])).mean(axis=(0, 1))
            shown = np.asarray(Image.open(BytesIO((report / media["picture"]["file"]).read_bytes())).convert("RGB"))
            assert shown.mean(axis=(0, 1)) == pytest.approx(original, abs=8)
        if "sound" in media:
            heard, rate = soundfile.read(report / media["sound"]["file"])
            assert rate == 8000
            assert media["sound"]["seconds"] == 0.5
            spectrum = np.abs(np.fft.rfft(heard[:4000]))
            assert spectrum.argmax() * 2 * np.pi / 4000 == pytest.approx(
                0.05 + 0.1 * "abc".index(row["kind"]), abs=0.01
            )
    assert [sample["absent"] for sample in samples if sample["absent"]] == [
        {"picture": "file not found (media/none.png)"}, {"sound": "empty cell"}, {"words": "empty cell"},
        {"picture": "not an image (media/12.png)"},
    ]  # fmt: skip


def test_the_ledger_counts_what_was_not_there(report, answers):
    found = read(report, "ledger")
    assert found["picture"]["missing"] == 1
    assert found["picture"]["corrupt"] == 1
    assert found["picture"]["ok"] == len(answers) - 2
    (reason,) = found["words"]["reasons"]
    assert (reason["status"], reason["reason"], reason["rows"]) == ("missing", "empty cell", 1)
    assert reason["ids"] == [answer["id"] for answer in answers if answer["status"]["words"] == "missing"]


def test_a_map_places_rows_as_principal_components_do(hostile, report):
    from mmcli.context import RunContext
    from mmcli.inference.config import EvaluateConfig
    from mmcli.inference.evaluation import predict_rows
    from mmcli.inference.model import TrainedModel

    model = TrainedModel(hostile / "model")
    runtime = RunContext().runtime(0)
    measuring = predict_rows(
        model, [str(hostile / "features")], EvaluateConfig(), runtime, RunContext().reporter, for_page=True
    )
    rows, features = measuring.kept.features()
    found = read(report, "map")
    assert found["rows"] == rows.tolist() == list(range(len(measuring)))
    centred = features - features.mean(axis=0)
    points = centred @ np.linalg.svd(centred.astype(np.float64), full_matrices=False)[2][:2].T
    shown = np.column_stack([found["methods"]["pca"]["x"], found["methods"]["pca"]["y"]])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    there = np.linalg.norm(shown[:, None] - shown[None], axis=2)
    assert there == pytest.approx(apart * there.max() / apart.max(), abs=0.005)
    assert np.abs(shown).max() == 1
    assert found["ids"] == [answer["id"] for answer in measuring.predictions]


def test_features_of_a_sample_of_rows_are_kept_whatever_the_batches():
    from mmcli.inference import kept_rows

    class Model:
        def fused(self, vectors, rows, keep):
            return vectors[rows]

    class Asked:
        media = None

        def __init__(self, ids):
            self.ids = ids
            self.batch = type("Batch", (), {"rows": [{"id": each} for each in ids]})

    def kept(size, count=5000):
        found = kept_rows.KeptRows(Model(), (), 0)
        values = np.arange(count, dtype=np.float32)[:, None]
        for start in range(0, count, size):
            found.add(Asked(list(range(start, min(start + size, count)))), values[start : start + size])
        return found

    one, other = kept(256), kept(999)
    rows, features = one.features()
    assert len(rows) == kept_rows.MOST_FEATURES
    assert (features[:, 0] == rows).all()
    assert (other.features()[0] == rows).all()
    assert one.row(4321) == {"id": 4321}
    drawn = np.random.default_rng([0, 0]).random(5000)
    assert set(rows) == set(np.argsort(drawn)[: kept_rows.MOST_FEATURES])


def test_numbers_and_residuals():
    from mmcli.reports.facts.numbers import numbers_of

    random = np.random.default_rng(1)
    true = random.normal(0, 1, 4000)
    said = true + random.normal(0, 0.1, 4000)
    task = Regression()
    task.fit(true.tolist())
    answers = [({"value": value}, target) for value, target in zip(said.tolist(), true.tolist(), strict=True)]
    found = numbers_of(Part("", task, np.arange(4000) + 7, said[:, None], true, answers), seed=3)
    assert len(found["rows"]) == 1500
    assert found["of"] == 4000
    assert [true[row - 7] for row in found["rows"]] == found["true"]
    assert [said[row - 7] for row in found["rows"]] == found["predicted"]
    edges = np.array(found["residuals"]["edges"])
    counts = [int(((said - true >= low) & (said - true < high)).sum()) for low, high in pairwise(edges)]
    assert found["residuals"]["counts"][:-1] == counts[:-1]
    assert sum(found["residuals"]["counts"]) == 4000


def test_retrieval_examples_are_the_nearest_items_by_brute_force():
    random = np.random.default_rng(2)
    embeddings = random.normal(size=(40, 2, 5))
    embeddings[1::2, 0] = embeddings[::2, 0]  # an image with two texts
    embeddings /= np.linalg.norm(embeddings, axis=2, keepdims=True)
    embeddings[5, 1] = np.nan
    groups = np.arange(40) // 2
    part = Part("", None, np.arange(40) + 100, embeddings, groups[:, None], [({}, None)] * 40)
    image, text = matches_of(part, ["image", "text"])
    assert (image["query"], image["found"], image["items"]) == ("image", "text", 39)
    assert (text["query"], text["found"], text["items"]) == ("text", "image", 20)
    for direction, (query, found) in ((image, (0, 1)), (text, (1, 0))):
        assert len(direction["queries"]) == 6
        for each in direction["queries"]:
            row = each["row"] - 100
            scores = {
                other: embeddings[row, query] @ embeddings[other, found]
                for other in range(40)
                if not np.isnan(embeddings[other, found]).any() and (found == 1 or other % 2 == 0)
            }
            order = sorted(scores, key=lambda other: -scores[other])
            assert [hit["row"] - 100 for hit in each["hits"]] == order[:5]
            assert [hit["right"] for hit in each["hits"]] == [groups[other] == groups[row] for other in order[:5]]
            assert each["rank"] == 1 + next(place for place, other in enumerate(order) if groups[other] == groups[row])


def test_rows_are_chosen_once_and_up_to_a_limit():
    assert chosen_rows([5, 3, 5], [3, 9, 1], 3) == [5, 3, 9]
    assert chosen_rows([5], [], 0) == []
