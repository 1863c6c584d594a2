"""index, search, and predict with labels, as a person types them."""

from __future__ import annotations

import csv
import json

import pytest

from tests.conftest import make_table, run_mmcli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Samples, features, a model and an index of the small table."""
    made = tmp_path_factory.mktemp("retrieval")
    make_table(made)
    for arguments in (
        ("preprocess", "table.csv", "-o", "samples", "--text", "words", "--image", "picture", "--image-size", "16"),
        ("extract-features", "samples", "-o", "features", "--use", "words=tfidf", "--use", "picture=color_histogram"),
        ("train", "features", "-o", "model", "--task", "retrieval", "--method", "cca:dim=8,regularization=0.3"),
        ("index", "model", "table.csv", "-o", "index"),
    ):
        result = run_mmcli(*arguments, cwd=made)
        assert result.code == 0, result.err
    return made


def refused(result, code, *words):
    assert result.code == code, result.err
    last = result.err.strip().splitlines()[-1]
    assert "Traceback" not in result.err
    assert result.out == ""
    for word in words:
        assert word in last


def test_queries_find_rows_in_an_index(folder):
    result = run_mmcli("search", "model", "rose brick", "sea", "--in", "index", "--top", "3", cwd=folder)
    assert result.code == 0, result.err
    assert [(row["query"], row["rank"]) for row in result.rows] == [
        (query, rank) for query in ("rose brick", "sea") for rank in (1, 2, 3)
    ]
    assert [row["row"]["label"] for row in result.rows] == ["red"] * 3 + ["blue"] * 3
    assert {row["modality"] for row in result.rows} == {"picture"}


def test_lists_of_faiss_find_the_same_rows(folder):
    made = run_mmcli("index", "model", "table.csv", "-o", "lists", "--faiss", cwd=folder)
    assert made.code == 0, made.err
    asked = ("rose brick", "sea", "--top", "3")
    exact = run_mmcli("search", "model", *asked, "--in", "index", cwd=folder)
    found = run_mmcli("search", "model", *asked, "--in", "lists", "--faiss", cwd=folder)
    assert found.code == 0, found.err
    assert found.rows == exact.rows
    assert run_mmcli("verify", "lists", cwd=folder).code == 0
    refused(
        run_mmcli("search", "model", *asked, "--in", "index", "--faiss", cwd=folder),
        1,
        "has no inverted lists",
        "mmcli index",
    )


def test_a_picture_finds_rows_of_a_table_into_a_file(folder):
    arguments = (
        "--query-image",
        "images/1.png",
        "--in",
        "table.csv",
        "--by",
        "picture",
        "--top",
        "2",
        "-o",
        "near.csv",
    )
    result = run_mmcli("search", "model", *arguments, cwd=folder)
    assert result.code == 0, result.err
    with (folder / "near.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert rows[0]["id"] == "s001"
    assert rows[0]["row_label"] == "green"


def test_an_index_is_inspected_verified_and_passed_on(folder):
    shown = run_mmcli("inspect", "index", cwd=folder)
    assert "index, 60 rows" in shown.out
    assert run_mmcli("verify", "index", cwd=folder).code == 0
    piped = run_mmcli("index", "model", "-", "-o", "part", stdin=_rows(folder, "features", 5), cwd=folder)
    assert piped.code == 0, piped.err
    assert [row["id"] for row in piped.rows] == [f"s{number:03d}" for number in range(5)]
    refused(run_mmcli("train", "index", "-o", "m2", "--target", "label", cwd=folder), 1, "an artifact of index")


def _rows(folder, artifact, count):
    lines = (folder / artifact / "manifest.jsonl").read_text().splitlines()[:count]
    return "".join(json.dumps({"artifact": str(folder / artifact), **json.loads(line)}) + "\n" for line in lines)


def test_labels_are_predicted_from_their_names(folder):
    arguments = ("--labels", "rose fire,leaf grass", "--labels", "sea sky", "--limit", "12")
    result = run_mmcli("predict", "model", "features", *arguments, cwd=folder)
    assert result.code == 0, result.err
    names = {"red": "rose fire", "green": "leaf grass", "blue": "sea sky"}
    labels = [["red", "green", "blue"][number % 3] for number in range(12)]
    expected = [None if number in (2, 4) else names[label] for number, label in enumerate(labels)]
    assert [row["label"] for row in result.rows] == expected


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("predict", "model", "features", "--query", "sea"), 2, ["mmcli search MODEL QUERY --in SOURCE"]),
        (("predict", "model", "features", "--index=other"), 2, ["mmcli index MODEL SOURCE -o FOLDER"]),
        (("search", "model", "--in", "features"), 2, ["no query"]),
        (("search", "model", "sea"), 2, ["Missing option", "--in"]),
        (("search", "model", "sea", "--in", "features", "--faiss"), 2, ["--faiss: features is not an index"]),
        (("search", "model", "--query-image", "images/4.png", "--in", "features"), 1, ["images/4.png", "not an image"]),
        (("index", "model", "features", "-o", "features"), 1, ["holds another stage's artifact"]),
        (("index", "model", "features"), 2, ["Missing option", "--output"]),
    ],
)
def test_invalid_requests_are_refused_in_one_line(folder, arguments, code, words):
    refused(run_mmcli(*arguments, cwd=folder), code, *words)
