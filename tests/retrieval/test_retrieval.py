"""Retrieval from a table to figures, an index, answers to queries and labels, against what was put into the rows."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from mmcli.chain.transforms.extract_features import ExtractTransform
from mmcli.errors import MmcliError, UsageError
from mmcli.inference.config import RowsConfig
from mmcli.inference.inputs import open_inputs
from mmcli.inference.model import TrainedModel
from mmcli.inference.prediction_file import write_predictions
from mmcli.runtime import Runtime
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.index import index as build_index
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.search import search as find
from mmcli.stages.train import train
from mmcli.stages.verify import verify
from mmcli.store.artifact import Artifact
from tests.conftest import write_csv
from tests.heard import Heard

COLOURS = {"red": (220, 20, 20), "green": (20, 190, 30), "blue": (20, 30, 210), "yellow": (230, 220, 20),
           "white": (245, 245, 245), "black": (10, 10, 10)}  # fmt: skip
THINGS = ["bus", "door", "wall", "kite", "shoe"]


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """90 rows, two captions for each picture of one colour, with the chain and a model; three inputs are bad."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("coloured")
    random = np.random.default_rng(0)
    rows = []
    for number in range(45):
        colour = list(COLOURS)[number % 6]
        pixels = np.array(COLOURS[colour]) + random.integers(-10, 10, (16, 16, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        for caption in range(2):
            thing = THINGS[int(random.integers(5))]
            split = ["train", "train", "train", "val", "test"][number // 6 % 5]
            rows.append(
                {"id": f"s{number:02d}{'ab'[caption]}", "split": split, "photo": f"{number}.png", "caption":
                 f"a {colour} {thing}", "group": f"p{number}", "colour": colour}
            )  # fmt: skip
    rows[3]["caption"] = ""
    rows[4]["photo"] = ""
    (folder / "20.png").write_bytes(b"no picture")
    write_csv(folder / "table.csv", rows)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["caption"], image=["photo"], image_size=16,
        group_by="group",
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features", use=["caption=tfidf", "photo=color_histogram"])
    fuse([str(folder / "features")], folder / "fused", method="cca:dim=8,regularization=0.3")
    train(str(folder / "fused"), folder / "model", task="retrieval")
    build_index(folder / "model", str(folder / "table.csv"), folder / "index")
    return folder


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """200 rows of two lists of numbers, both made from the same four numbers; some rows lack one."""
    folder = tmp_path_factory.mktemp("paired")
    random = np.random.default_rng(0)
    hidden = random.normal(size=(200, 4))
    left = hidden @ random.normal(size=(4, 6)) + 0.05 * random.normal(size=(200, 6))
    right = hidden @ random.normal(size=(4, 5)) + 0.05 * random.normal(size=(200, 5))
    rows = []
    for number in range(200):
        row = {"id": f"r{number}", "split": ["train", "train", "val", "test", "test"][number % 5]}
        row |= {f"l{place}": value for place, value in enumerate(left[number])}
        row |= {f"r{place}": value for place, value in enumerate(right[number])}
        for name in {3: "l", 8: "r"}.get(number % 40, ""):
            row |= {key: "" for key in row if key[0] == name and key[1:].isdigit()}
        rows.append(row)
    write_csv(folder / "table.csv", rows)
    preprocess(str(folder / "table.csv"), folder / "samples", numeric=["left=l?", "right=r?"])
    extract_features(str(folder / "samples"), folder / "features")
    train(str(folder / "features"), folder / "model", task="retrieval", method="cca:dim=4,regularization=0.001")
    return folder


def search(model, source, query=(), search=None, **options):
    """Search in a source, as tests write it."""
    return find(model, query, in_=source, by=search, **options)


def answers(*arguments, **options):
    return [row for group in search(*arguments, **options) for row in group]


def embeddings(folder, source):
    """(N, M, D) by the model, straight from the rows."""
    model = TrainedModel(folder / "model")
    parts = open_inputs(model, str(source), RowsConfig(), Runtime(), Heard())
    return np.concatenate([model.outputs(model.vectors(asked.batch.columns, Runtime()))[0] for asked in parts])


def table_rows(folder):
    with (folder / "table.csv").open() as file:
        return list(csv.DictReader(file))


# What is measured.


def test_rows_that_belong_together_find_each_other(paired):
    report = evaluate(paired / "model", str(paired / "features"))
    found = report.metrics
    assert found["task"] == "retrieval"
    assert found["n"] == 80
    assert found["subsets"] == {}
    assert found["metrics"]["mean_recall@1"] > 0.9
    assert found["baselines"]["chance"]["left_to_right_recall@10"] == pytest.approx(10 / 75, abs=0.01)
    low, high = found["intervals"]["left_to_right_map"]
    assert low <= found["metrics"]["left_to_right_map"] <= high

    rows = table_rows(paired)
    test = np.array([row["split"] == "test" for row in rows])
    embedded = embeddings(paired, paired / "table.csv")[test]
    lacking = np.isnan(embedded).any(axis=2)
    assert lacking.tolist() == [[row["l0"] == "", row["r0"] == ""] for row in rows if row["split"] == "test"]
    assert lacking.any(axis=0).all()
    assert np.linalg.norm(embedded[~lacking], axis=1) == pytest.approx(1, abs=1e-5)
    ranks = []
    for row in np.flatnonzero(~lacking.any(axis=1)):
        scores = embedded[~lacking[:, 1], 1] @ embedded[row, 0]
        ranks.append(1 + int((scores > embedded[row, 0] @ embedded[row, 1]).sum()))
    assert found["metrics"]["left_to_right_recall@1"] == pytest.approx((np.array(ranks) == 1).mean())
    assert found["metrics"]["left_to_right_median_rank"] == np.median(ranks)


def test_the_task_says_which_rows_belong_together_without_a_hand_in_the_splits(coloured, tmp_path):
    preprocess(
        str(coloured / "table.csv"), tmp_path / "samples", text=["caption"], image=["photo"], image_size=16,
        fresh=True,
    )  # fmt: skip
    extract_features(str(tmp_path / "samples"), tmp_path / "features", use=["caption=tfidf", "photo=color_histogram"])
    fuse([str(tmp_path / "features")], tmp_path / "fused", method="cca:dim=8,regularization=0.3")
    train(str(tmp_path / "fused"), tmp_path / "model", task="retrieval:relevant=group")
    train(str(tmp_path / "fused"), tmp_path / "alone", task="retrieval")
    grouped = evaluate(coloured / "model", str(coloured / "table.csv")).metrics
    named = evaluate(tmp_path / "model", str(coloured / "table.csv")).metrics
    alone = evaluate(tmp_path / "alone", str(coloured / "table.csv")).metrics
    assert named["metrics"] == grouped["metrics"]
    assert named["intervals"] == grouped["intervals"]
    assert alone["metrics"] != grouped["metrics"]
    with pytest.raises(
        UsageError, match=r"unknown column in --task retrieval:relevant=grup 'grup'; did you mean 'grou"
    ):
        train(str(tmp_path / "fused"), tmp_path / "none", task="retrieval:relevant=grup")


@pytest.mark.parametrize("options", [{"epochs": 5}, {"lr": 0.1}, {"dropout": 0.1}, {"sampling": "over"}])
def test_options_without_effect_are_refused(paired, tmp_path, options):
    (name,) = options
    with pytest.raises(UsageError, match=f"--{name}: has no effect, because --task retrieval trains no network"):
        train(str(paired / "features"), tmp_path / "model", task="retrieval", **options)


def test_raw_rows_and_every_artifact_of_the_chain_are_measured_alike(coloured):
    whole = [
        evaluate(coloured / "model", str(coloured / name)).metrics
        for name in ("table.csv", "samples", "features", "fused")
    ]
    assert all(other["metrics"] == pytest.approx(whole[0]["metrics"]) for other in whole[1:])
    assert whole[0]["baselines"]["chance"]["caption_to_photo_recall@1"] == pytest.approx(1 / 6)  # 6 pictures of test


def test_a_model_says_what_it_is_without_epochs(coloured):
    header = Artifact(coloured / "model").header
    assert header["best_epoch"] is None
    assert header["parameter_count"] == 0
    assert set(header["best_values"]) >= {"mean_recall@10", "caption_to_photo_recall@1", "photo_to_caption_map"}


def test_without_a_method_the_task_has_its_own(paired, tmp_path):
    heard = Heard()
    train(str(paired / "features"), tmp_path / "model", task="retrieval", reporter=heard)
    assert Artifact(tmp_path / "model").header["network"]["method"] == "cca:dim=128,regularization=1.0"


@pytest.mark.parametrize("method", ["contrastive:dim=6,epochs=2", "l2_align:dim=6,epochs=2"])
def test_other_methods_with_a_shared_space_are_taken(paired, tmp_path, method):
    train(str(paired / "features"), tmp_path / "model", task="retrieval", method=method)
    embedded = embeddings(tmp_path, paired / "features")
    assert embedded.shape == (200, 2, 6)
    assert np.linalg.norm(embedded[~np.isnan(embedded).any(axis=2)], axis=1) == pytest.approx(1, abs=1e-5)


def test_several_features_of_a_modality_are_one_embedding(coloured, tmp_path):
    uses = ["caption=tfidf", "photo=color_histogram", "photo=hog"]
    extract_features(str(coloured / "samples"), tmp_path / "features", use=uses)
    train(str(tmp_path / "features"), tmp_path / "model", task="retrieval", method="cca:dim=8,regularization=0.3")
    assert TrainedModel(tmp_path / "model").task.modalities == ["caption", "photo"]
    assert embeddings(tmp_path, coloured / "table.csv").shape == (90, 2, 8)


@pytest.mark.parametrize("method", ["concat", "pca", "gated", "late_mean"])
def test_a_method_without_a_shared_space_is_one_line(paired, tmp_path, method):
    with pytest.raises(UsageError, match=f"--method {method}.*these do: cca, contrastive, l2_align"):
        train(str(paired / "features"), tmp_path / "model", task="retrieval", method=method)


def test_one_modality_alone_is_one_line(paired, tmp_path):
    extract_features(str(paired / "samples"), tmp_path / "features", use=["left=identity", "right=none"])
    with pytest.raises(MmcliError, match="at least two modalities, found left"):
        train(str(tmp_path / "features"), tmp_path / "model", task="retrieval")


# What is predicted.


def test_a_row_says_how_well_its_modalities_agree(coloured, tmp_path):
    rows = [row for group in predict(coloured / "model", str(coloured / "table.csv")) for row in group]
    embedded = embeddings(coloured, coloured / "table.csv")
    cosines = (embedded[:, 0] * embedded[:, 1]).sum(axis=1)
    for row, cosine in zip(rows, cosines, strict=True):
        expected = {} if np.isnan(cosine) else {"caption+photo": pytest.approx(cosine)}
        assert row["similarity"] == expected
    assert [number for number, cosine in enumerate(cosines) if np.isnan(cosine)] == [3, 4, 40, 41]
    write_predictions(tmp_path / "out.csv", iter([rows]))
    with (tmp_path / "out.csv").open() as file:
        assert float(next(csv.DictReader(file))["similarity_caption+photo"]) == pytest.approx(cosines[0])


def test_no_fusion_of_it_has_weights(coloured):
    with pytest.raises(UsageError, match=r"--explain weights: fusion cca.* has no weights"):
        next(predict(coloured / "model", str(coloured / "features"), explain="weights"))


# The index.


@pytest.mark.parametrize("source", ["table.csv", "samples", "features", "fused"])
def test_an_index_is_the_same_from_wherever_the_rows_come(coloured, tmp_path, source):
    build_index(coloured / "model", str(coloured / source), tmp_path / "index")
    index, expected = Artifact(tmp_path / "index"), embeddings(coloured, coloured / "features")
    for place, name in enumerate(["caption", "photo"]):
        column = index.take(name, np.arange(90))
        there = ~np.isnan(expected[:, place]).any(axis=1)
        assert column.present.tolist() == there.tolist()
        assert np.array_equal(column.main.values[there], expected[there, place].astype(np.float32))
        assert not column.main.values[~there].any()
        assert not column.key[~there].any()
        assert np.array_equal(column.key, Artifact(coloured / "index").take(name, np.arange(90)).key)
    assert [row["colour"] for row in index.rows] == [row["colour"] for row in table_rows(coloured)]
    assert sorted((entry.row, entry.modality, entry.status) for entry in index.ledger()) == [
        (3, "caption", "missing"), (4, "photo", "missing"), (40, "photo", "corrupt"), (41, "photo", "corrupt"),
    ]  # fmt: skip
    assert verify(tmp_path / "index") == []


def test_one_changed_row_is_embedded_again_and_no_other(coloured, tmp_path, monkeypatch):
    computed = []
    extract = ExtractTransform.apply
    monkeypatch.setattr(
        ExtractTransform,
        "apply",
        lambda self, batch, *rest: computed.append(len(batch.rows)) or extract(self, batch, *rest),
    )
    rows = table_rows(coloured)
    for row in rows:
        row["photo"] = str(coloured / row["photo"]) if row["photo"] else ""
    build_index(coloured / "model", str(write_csv(tmp_path / "table.csv", rows)), tmp_path / "index")
    before = Artifact(tmp_path / "index").digest
    again = build_index(coloured / "model", str(tmp_path / "table.csv"), tmp_path / "index")
    assert (again.computed, again.reused) == (0, 176)
    assert computed == [90]
    assert Artifact(tmp_path / "index").digest == before
    rows[10]["caption"] = "a white white shoe"
    write_csv(tmp_path / "table.csv", rows)
    changed = build_index(coloured / "model", str(tmp_path / "table.csv"), tmp_path / "index")
    assert (changed.computed, changed.reused) == (1, 175)
    assert computed == [90, 1]
    build_index(coloured / "model", str(tmp_path / "table.csv"), tmp_path / "fresh")
    for name in ("caption", "photo"):
        one, other = (Artifact(tmp_path / folder).take(name, np.arange(90)) for folder in ("index", "fresh"))
        assert np.array_equal(one.main.values, other.main.values)


def test_an_artifact_that_is_indexed_again_is_not_read_again(coloured, tmp_path):
    build_index(coloured / "model", str(coloured / "features"), tmp_path / "index")
    again = build_index(coloured / "model", str(coloured / "features"), tmp_path / "index")
    assert (again.computed, again.reused) == (0, 176)
    part = build_index(coloured / "model", str(coloured / "features"), tmp_path / "index", limit=5)
    assert part.rows == 5


# Queries.


def test_a_text_finds_pictures_of_its_colour(coloured):
    rows = answers(coloured / "model", str(coloured / "index"), query=["red", "a green door"], top=6)
    assert [row["query"] for row in rows] == ["red"] * 6 + ["a green door"] * 6
    assert [row["rank"] for row in rows] == [*range(1, 7)] * 2
    assert {row["modality"] for row in rows} == {"photo"}
    assert [row["row"]["colour"] for row in rows] == ["red"] * 6 + ["green"] * 6
    told = {row["id"]: row for row in table_rows(coloured)}
    assert all(row["row"] == told[row["id"]] for row in rows)


def of_each_item(order, scores, rows, count):
    """The first ``count`` rows in this order, of those of a group with one score the first alone."""
    found = {}
    for row in order:
        found.setdefault((rows[row]["group"], round(float(scores[row]), 9)), row)
    return list(found.values())[:count]


def test_the_nearest_rows_are_those_of_a_sorted_product(coloured):
    model = TrainedModel(coloured / "model")
    embedded = embeddings(coloured, coloured / "features")
    asked = {"photo": coloured / "0.png", "caption": "a blue kite"}
    from_rows = open_inputs(model, str(write_csv(coloured / "asked.csv", [asked])), RowsConfig(), Runtime(), Heard())
    one = next(iter(from_rows))
    own = model.outputs(model.vectors(one.batch.columns, Runtime()))[0][0]
    for name, place, other in (("caption", 0, 1), ("photo", 1, 0)):
        norms = np.linalg.norm(embedded[:, other], axis=1) * np.linalg.norm(own[place])
        scores = np.nan_to_num(embedded[:, other] @ own[place] / norms, nan=-9)
        order = of_each_item(np.lexsort((np.arange(90), -scores.round(9))), scores, table_rows(coloured), 20)
        found = answers(coloured / "model", str(coloured / "index"), query=[f"{name}={asked[name]}"], top=20)
        assert [row["id"] for row in found] == [table_rows(coloured)[row]["id"] for row in order]
        assert [row["score"] for row in found] == pytest.approx(scores[order].tolist(), abs=1e-8)


@pytest.mark.parametrize("source", ["table.csv", "samples", "features", "fused"])
def test_rows_embedded_on_the_fly_are_found_like_those_of_an_index(coloured, source):
    asked = {"query": ["yellow wall", "a black bus"], "query_image": [str(coloured / "2.png")], "top": 7}
    stored = answers(coloured / "model", str(coloured / "index"), **asked)
    assert answers(coloured / "model", str(coloured / source), **asked) == stored
    assert len(stored) == 21
    limited = answers(coloured / "model", str(coloured / "index"), **asked, limit=12)
    assert answers(coloured / "model", str(coloured / source), **asked, limit=12) == limited
    assert {int(row["id"][1:3]) for row in limited} <= set(range(6))


def test_the_nearest_rows_are_found_in_whatever_batch_they_come(coloured, tmp_path):
    scores = embeddings(coloured, coloured / "features")[:, 1] @ embeddings(coloured, coloured / "features")[0, 0]
    far_first = np.argsort(np.nan_to_num(scores, nan=-9), kind="stable")
    order = np.append(far_first[-1], np.repeat(far_first, 4))  # the nearest one first, the others last
    rows = [table_rows(coloured)[row] for row in order]
    rows = [{**row, "id": f"{row['id']}{number}", "photo": row["photo"] and str(coloured / row["photo"])}
            for number, row in enumerate(rows)]  # fmt: skip
    source = write_csv(tmp_path / "table.csv", rows)
    found = answers(coloured / "model", str(source), query=[table_rows(coloured)[0]["caption"]])
    seen = np.nan_to_num(scores[order], nan=-9).round(6)
    nearest = of_each_item(np.lexsort((np.arange(361), -seen)), seen, rows, 10)
    assert [row["id"] for row in found] == [rows[row]["id"] for row in nearest]


def test_a_picture_finds_texts_or_pictures(coloured):
    asked = {"query_image": [str(coloured / "7.png")], "top": 2}
    texts = answers(coloured / "model", str(coloured / "index"), **asked)
    assert {(row["modality"], row["row"]["colour"]) for row in texts} == {("caption", "green")}
    pictures = answers(coloured / "model", str(coloured / "index"), **asked, search="photo")
    assert (pictures[0]["id"], pictures[0]["modality"]) == ("s07a", "photo")
    assert pictures[1]["row"]["group"] != pictures[0]["row"]["group"]  # its other text is the same picture
    assert pictures[0]["score"] == pytest.approx(1, abs=1e-9)


def test_rows_that_lack_what_is_searched_are_not_found(coloured):
    found = answers(coloured / "model", str(coloured / "index"), query=["red"], top=1000)
    assert len(found) == 44  # pictures, of two texts each, but one that is missing
    assert {"s02a", "s20a", "s20b"}.isdisjoint({row["id"] for row in found})
    assert sorted((row["score"] for row in found), reverse=True) == [row["score"] for row in found]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": [""]}, "QUERY ''.*empty cell"),
        ({"query_image": ["nowhere.png"]}, "--query-image 'nowhere.png'.*file not found"),
        ({"query_image": [__file__]}, "--query-image .*not an image"),
        ({"query": ["red"], "search": "sound"}, "unknown modality 'sound'"),
        ({"query": ["red"], "top": 0}, "--top 0: expected at least 1"),
    ],
)
def test_a_query_that_cannot_be_asked_is_one_line(coloured, options, message):
    with pytest.raises(MmcliError, match=message) as error:
        answers(coloured / "model", str(coloured / "index"), **options)
    assert "\n" not in str(error.value)


def test_a_kind_that_the_model_has_not_is_named(paired):
    with pytest.raises(UsageError, match=r"no text modalities; name one of left \(tensor\), right \(tensor\)"):
        answers(paired / "model", str(paired / "features"), query=["x"])
    with pytest.raises(UsageError, match="left is made from 6 columns, not one"):
        answers(paired / "model", str(paired / "features"), query=["left=1"])


def test_an_index_belongs_to_its_model(coloured, tmp_path):
    train(str(coloured / "features"), tmp_path / "model", task="retrieval", method="cca:dim=4")
    with pytest.raises(MmcliError, match="made by another model"):
        answers(tmp_path / "model", str(coloured / "index"), query=["red"])


def test_other_models_have_no_index_and_no_queries(chain, tmp_path):
    with pytest.raises(UsageError, match=r"index: needs a model of train --task retrieval.*classification"):
        build_index(chain / "model", str(chain / "features"), tmp_path / "index")
    with pytest.raises(UsageError, match="search: needs a model of train --task retrieval"):
        answers(chain / "model", str(chain / "features"), query=["red"])
    with pytest.raises(UsageError, match="--labels: needs a model of train --task retrieval"):
        next(predict(chain / "model", str(chain / "features"), labels=["a,b"]))


# Labels that nothing was trained on.


def test_the_nearest_name_is_the_label(coloured):
    options = {"labels": [",".join(COLOURS)], "template": "a {} thing"}
    rows = [row for group in predict(coloured / "model", str(coloured / "features"), **options) for row in group]
    raw = [row for group in predict(coloured / "model", str(coloured / "table.csv"), **options) for row in group]
    embedded = embeddings(coloured, coloured / "features")
    said = [{"caption": f"a {name} thing"} for name in sorted(COLOURS)]
    (coloured / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    names = embeddings(coloured, coloured / "said.jsonl")[:, 0]
    for row, own, photo, told in zip(rows, raw, embedded[:, 1], table_rows(coloured), strict=True):
        if np.isnan(photo).any():
            assert row["label"] is None
            assert row["modalities"] == []
            continue
        scaled = np.exp((names @ photo) / 0.07)
        assert list(row["probabilities"].values()) == pytest.approx((scaled / scaled.sum()).tolist(), abs=1e-5)
        assert row["label"] == told["colour"] == own["label"]
        assert row["modalities"] == ["photo"]


@pytest.mark.parametrize("source", ["table.csv", "features"])
def test_labels_are_measured_against_a_column(coloured, tmp_path, source):
    options = {"labels_from": "colour", "template": "a {} thing", "split": "all"}
    found = evaluate(coloured / "model", str(coloured / source), tmp_path / "report", **options)
    assert found.metrics["task"] == "classification"
    assert found.metrics["n"] == 90
    assert found.metrics["without_modalities"] == 3
    assert found.metrics["subsets"] == {}
    rows = [json.loads(line) for line in (tmp_path / "report" / "predictions.jsonl").read_text().splitlines()]
    assert [row["target"] for row in rows] == [row["colour"] for row in table_rows(coloured)]
    hits = [max(row["probabilities"], key=row["probabilities"].get) == row["target"] for row in rows]
    assert found.metrics["metrics"]["accuracy"] == pytest.approx(np.mean(hits))
    assert sum(hits) >= 87
    assert found.tables["confusion"]["classes"] == sorted(COLOURS)


def test_labels_of_no_column_are_one_line(coloured):
    with pytest.raises(MmcliError, match="no column 'color' with labels"):
        evaluate(coloured / "model", str(coloured / "features"), labels_from="color")
    with pytest.raises(UsageError, match="standard input can be read only once"):
        evaluate(coloured / "model", "-", labels_from="colour")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["red"]}, "--labels: expected at least two different labels, found red"),
        ({"labels": ["red,blue"], "template": "a colour"}, "--template 'a colour': expected {}"),
    ],
)
def test_labels_that_are_none_are_one_line(coloured, options, message):
    with pytest.raises(UsageError, match=message):
        next(predict(coloured / "model", str(coloured / "features"), **options))
