"""Rows of JSON that lack keys: a column is there as soon as any row has it, whatever the order of the rows."""

from __future__ import annotations

import json

import pytest

from mmcli.errors import MmcliError
from mmcli.stages.evaluate import evaluate
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact
from tests.heard import Heard


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers(model, source, heard=None):
    return {row["id"]: row for group in predict(model, str(source), reporter=heard or Heard()) for row in group}


def rows_with_late_words():
    rows = [{"id": f"r{number}", "size": number % 3, "label": "red"} for number in range(300)]
    return [row | ({"words": "rose fire brick"} if number >= 260 else {}) for number, row in enumerate(rows)]


def test_the_answers_are_those_of_the_rows_backwards(chain, tmp_path):
    rows = rows_with_late_words()
    heard = Heard()
    forwards = answers(chain / "model", write(tmp_path / "a.jsonl", rows), heard)
    assert forwards == answers(chain / "model", write(tmp_path / "b.jsonl", rows[::-1]))
    assert forwards["r299"]["modalities"] == ["table", "words"]
    assert forwards["r0"]["modalities"] == ["table"]
    assert forwards["r0"]["reasons"]["words"] == "no such column"
    assert [text for text in heard.warnings if "no column" in text] == [
        f"{tmp_path / 'a.jsonl'}: no column picture: treated as missing in every row (picture)"
    ]


def test_the_same_on_a_pipe(chain, tmp_path, mmcli):
    rows = rows_with_late_words()
    text = "".join(json.dumps(row) + "\n" for row in rows)
    piped = mmcli("predict", chain / "model", "-", stdin=text)
    assert piped.code == 0
    assert {row["id"]: row for row in piped.rows} == answers(chain / "model", write(tmp_path / "a.jsonl", rows))
    assert piped.err.count("no column picture") == 1


def test_rows_that_know_no_column_at_first_wait_for_one_that_does(chain, tmp_path):
    rows = [{"id": f"r{number}", "other": 1} for number in range(300)] + [{"id": "last", "words": "sea sky"}]
    found = answers(chain / "model", write(tmp_path / "a.jsonl", rows))
    assert found["last"]["modalities"] == ["words"]
    assert found["r0"]["modalities"] == []
    with pytest.raises(MmcliError, match=r"none of the columns that the model uses \(picture, size, words\); found "):
        answers(chain / "model", write(tmp_path / "b.jsonl", rows[:300]))


def test_evaluate_uses_them(chain, tmp_path):
    rows = rows_with_late_words()
    assert evaluate(chain / "model", str(write(tmp_path / "a.jsonl", rows)), split="all").metrics["n"] == 300


def test_preprocess_makes_a_modality_of_a_late_column(tmp_path):
    rows = [{"id": f"r{n}", "x": n / 7, "y": "ab"[n % 2]} for n in range(1200)]
    for number, row in enumerate(rows):
        if number >= 1150:
            row["late"] = f"word number {number} and more"
    heard = Heard()
    preprocess(str(write(tmp_path / "a.jsonl", rows)), tmp_path / "inferred", target="y", reporter=heard)
    made = Artifact(tmp_path / "inferred")
    assert made.modalities["late"].kind == "text"
    assert made.header["counts"]["late"] == {"ok": 50, "missing": 1150, "corrupt": 0, "skipped": 0}
    preprocess(str(tmp_path / "a.jsonl"), tmp_path / "named", target="y", text=["late"], numeric=["x"])
    assert Artifact(tmp_path / "named").modalities["late"].fingerprint == made.modalities["late"].fingerprint


def test_a_named_target_may_begin_late(tmp_path):
    rows = [{"id": f"r{n}", "x": n / 7, "split": "test"} for n in range(1100)]
    rows += [{"id": f"t{n}", "x": n / 7, "split": "train", "late": "ab"[n % 2]} for n in range(100)]
    source = str(write(tmp_path / "a.jsonl", rows))
    preprocess(source, tmp_path / "out", numeric=["x"], target="late")
    assert Artifact(tmp_path / "out").roles.target == "late"
    with pytest.raises(MmcliError, match="unknown column 'later'; did you mean 'late'"):
        preprocess(source, tmp_path / "out", numeric=["x"], target="later")


def test_a_split_that_begins_late_is_refused(tmp_path):
    rows = [{"id": f"r{n}", "x": n / 7} for n in range(1100)] + [{"id": "z", "x": 1.0, "split": "test"}]
    with pytest.raises(MmcliError, match="line 1101: has a column 'split', which earlier rows lack"):
        preprocess(str(write(tmp_path / "a.jsonl", rows)), tmp_path / "out", numeric=["x"])


def test_a_possible_target_that_starts_late_is_reported(tmp_path):
    rows = [{"id": f"r{n}", "x": n / 7} for n in range(1100)] + [{"id": "z", "x": 1.0, "label": "a"}]
    heard = Heard()
    preprocess(str(write(tmp_path / "a.jsonl", rows)), tmp_path / "out", numeric=["x"], reporter=heard)
    assert any("--target label" in text for text in heard.warnings)
