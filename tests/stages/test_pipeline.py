"""run: a file of stages, checked as a whole before anything runs."""

from __future__ import annotations

import json

import pytest

GOOD = """
source: table.csv
output: work
stages:
  - preprocess: {text: words, image: [picture], target: label, image-size: 32}
  - extract-features: {use: [words=tfidf, picture=hog]}
  - fuse: {method: gated}
  - train: {epochs: 3, hidden: [8, 4]}
  - evaluate:
  - predict: {source: table.csv, output: answers.csv}
"""


def test_it_runs_the_stages_in_order_and_reuses_them(mmcli, table):
    (table.parent / "p.yaml").write_text(GOOD)
    result = mmcli("run", "p.yaml", "--json")
    assert result.code == 0, result.err
    assert [row.get("stage") for row in result.rows[:4]] == ["preprocess", "extract-features", "fuse", "train"]
    assert len((table.parent / "work/answers.csv").read_text().splitlines()) == 61
    assert json.loads((table.parent / "work/model/artifact.json").read_text())["network"]["hidden"] == [8, 4]
    again = mmcli("run", "p.yaml", "--json", "-o", "work")
    assert [row["computed"] for row in again.rows[:4]] == [0, 0, 0, 0]


def test_the_source_is_beside_the_file_and_the_output_where_one_stands(mmcli, table, tmp_path):
    (table.parent / "p.yaml").write_text(GOOD)
    (tmp_path / "elsewhere").mkdir()
    result = mmcli("run", "../p.yaml", "-o", "here", cwd=tmp_path / "elsewhere")
    assert result.code == 0, result.err
    assert (tmp_path / "elsewhere" / "here" / "model" / "artifact.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("preprocess:", "preproces:"), "did you mean 'preprocess'"),
        (("text:", "txt:"), "did you mean 'text'"),
        (("image-size: 32", "image-size: big"), "expected a number"),
        (("epochs: 3", "epochs: {a: 1}"), "expected a value"),
        (("source: table.csv\n", ""), "expected `source:`"),
        (("output: work", "ouput: work"), "did you mean 'output'"),
        (("stages:", "stages: ["), "not YAML"),
        (("gated", "gatd"), "did you mean 'gated'"),
        (("- preprocess", "- evaluate:\n  - preprocess"), "needs a train stage before it"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_runs(mmcli, table, change, words):
    (table.parent / "p.yaml").write_text(GOOD.replace(*change))
    result = mmcli("run", "p.yaml")
    assert result.code in (1, 2)
    errors = [line for line in result.err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in result.err
    if "gatd" not in change:  # a method's name is looked up by its stage
        assert not (table.parent / "work").exists()


def test_compare_and_index_are_stages_too(mmcli, table):
    (table.parent / "p.yaml").write_text("""
source: table.csv
stages:
  - preprocess: {text: words, image: picture, target: label, image-size: 32}
  - extract-features: {use: [words=tfidf, picture=hog]}
  - compare: {method: [gated, "only:words"], seeds: 2, epochs: 2}
  - train: {task: retrieval, method: "cca:dim=8,regularization=0.3"}
  - index: {source: table.csv}
""")
    result = mmcli("run", "p.yaml", "-o", "work", "--quiet")
    assert result.code == 0, result.err
    assert mmcli("inspect", "work/comparison").code == 0
    found = mmcli("search", "work/model", "rose brick", "--in", "work/index", "--top", "2")
    assert found.code == 0, found.err
    assert [row["rank"] for row in found.rows] == [1, 2]


def test_a_warning_is_given_once_by_all_stages(mmcli, table):
    lines = [line.split(",") for line in table.read_text().splitlines()]
    kept = [lines[0].index(name) for name in ("id", "words", "label")]
    (table.parent / "less.csv").write_text("".join(",".join(row[n] for n in kept) + "\n" for row in lines))
    (table.parent / "p.yaml").write_text("""
source: table.csv
stages:
  - preprocess: {text: words, image: picture, target: label, image-size: 32}
  - extract-features:
  - train: {epochs: 1}
  - evaluate: {source: less.csv, split: all}
  - predict: {source: less.csv}
""")
    result = mmcli("run", "p.yaml", "-o", "work")
    assert result.code == 0, result.err
    assert result.err.count("no column picture") == 1
