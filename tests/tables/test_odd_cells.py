"""Cells that are none of their column's kind: each costs itself, is listed and counted, and is said when predicting."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmcli.errors import MmcliError, TooManyBadError
from mmcli.stages.check import check
from mmcli.stages.extract_features import extract_features
from mmcli.stages.ledger import ledger as read_ledger
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.conftest import write_csv
from tests.heard import Heard

ODD = {3: ("x", "."), 5: ("y", "#DIV/0!"), 8: ("x", "unknown"), 9: ("y", "inf")}


@pytest.fixture
def table(tmp_path):
    rows = [{"id": f"r{n}", "split": "train", "x": n / 2, "y": n % 5, "label": "ab"[n % 2]} for n in range(20)]
    for number, (column, value) in ODD.items():
        rows[number][column] = value
    rows[12] |= {"x": ".", "y": "none at all"}
    return str(write_csv(tmp_path / "table.csv", rows))


def test_the_rest_of_the_row_is_kept_and_the_cell_listed(table, tmp_path):
    heard = Heard()
    summary = preprocess(table, tmp_path / "out", numeric=["x", "y"], target="label", reporter=heard)
    assert summary.counts["table"] == {"ok": 19, "missing": 0, "corrupt": 1, "skipped": 0}
    entries = read_ledger(tmp_path / "out").entries
    cells = [entry for entry in entries if entry.column is not None]
    assert {(e.row, e.id, e.column, e.value, e.status) for e in cells} == {
        *((n, f"r{n}", column, value, "corrupt") for n, (column, value) in ODD.items()),
        (12, "r12", "y", "none at all", "corrupt"),
    }
    (absent,) = [entry for entry in entries if entry.column is None]
    assert (absent.row, absent.reason) == (12, "column 'x': '.' is not a number")
    assert (
        "5 cells are treated as empty (column 'x': '.' is not a number × 1; mmcli ledger lists them)" in heard.warnings
    )
    made = Artifact(tmp_path / "out")
    values = made.take("table", np.arange(20)).fields[""].values
    for number in range(20):
        odd = {ODD[number][0]} if number in ODD else set()
        assert values[number, 2:].tolist() == [number != 12 and column in odd for column in "xy"]
    assert [row["status"]["table"] for row in made.rows][11:14] == ["ok", "corrupt", "ok"]
    line = json.loads((tmp_path / "out" / "ledger.jsonl").read_text().splitlines()[0])
    assert line == {
        "row": 3, "id": "r3", "modality": "table", "status": "corrupt", "reason": "column 'x': '.' is not a number",
        "path": None, "column": "x", "value": ".",
    }  # fmt: skip


def test_unexpected_cells_count_as_empty(table, tmp_path):
    with open(table) as file:
        text = file.read()
    for value in (".", "#DIV/0!", "unknown", "inf", "none at all"):
        text = text.replace(f",{value},", ",,").replace(f",{value},", ",,")
    (tmp_path / "empty.csv").write_text(text)
    values = []
    for source in (table, str(tmp_path / "empty.csv")):
        preprocess(source, tmp_path / "out", numeric=["x", "y"], target="label", fresh=True)
        values.append(Artifact(tmp_path / "out").take("table", np.arange(20)).fields[""].values.tolist())
    assert values[0] == values[1]


def test_max_errors_counts_cells(table, tmp_path):
    preprocess(table, tmp_path / "out", numeric=["x", "y"], target="label", max_errors="6")
    preprocess(table, tmp_path / "out", numeric=["x", "y"], target="label", max_errors="15%")
    for limit in ("5", "14.9%"):
        with pytest.raises(TooManyBadError, match="6 of 40 inputs are bad"):
            preprocess(table, tmp_path / "out", numeric=["x", "y"], target="label", max_errors=limit, fresh=True)
    with pytest.raises(MmcliError, match=r"sample 'r3', table: column 'x': '\.' is not a number"):
        preprocess(table, tmp_path / "out", numeric=["x", "y"], target="label", on_error="fail", fresh=True)


def test_check_lists_the_unexpected_values_of_each_column(table):
    report = check(table, numeric=["x", "y"], target="label")
    odd = {column.name: column.odd for column in report.columns if column.odd}
    assert odd == {"x": {".": 1, "unknown": 1}, "y": {"#DIV/0!": 1, "inf": 1, "none at all": 1}}
    assert report.failure is None
    failure = check(table, numeric=["x", "y"], target="label", max_errors="5").failure
    assert isinstance(failure, TooManyBadError)
    assert str(failure).startswith("6 of 40 inputs")


def test_a_rerun_reuses_and_gives_the_same_bytes(table, tmp_path):
    options = {"numeric": ["x", "y"], "target": "label"}
    preprocess(table, tmp_path / "one", **options)
    again = preprocess(table, tmp_path / "one", **options)
    assert again.computed == 0
    preprocess(table, tmp_path / "two", jobs=1, **options)
    for name in ("artifact.json", "manifest.jsonl", "ledger.jsonl", "tensors/00000.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A model of a number and a category, and its train rows."""
    folder = tmp_path_factory.mktemp("stores")
    rows = [{"id": f"r{n}", "n": n % 7, "store": f"{n % 3}.0", "label": "ab"[n % 2]} for n in range(60)]
    write_csv(folder / "train.csv", rows)
    preprocess(str(folder / "train.csv"), folder / "s", numeric=["n"], categorical=["store"], target="label")
    extract_features(str(folder / "s"), folder / "f")
    train(str(folder / "f"), folder / "m", epochs=1)
    return folder, rows


def test_new_rows_unlike_the_train_rows_are_reported(stores, tmp_path):
    folder, rows = stores
    same = [{**row, "store": row["store"].removesuffix(".0")} for row in rows]
    other = [{**row, "store": f"shop {row['store']}", "n": row["n"] * 1000 + 500} for row in rows]
    for name, content in (("same", same), ("other", other)):
        source = str(write_csv(tmp_path / f"{name}.csv", content))
        made, answered = Heard(), Heard()
        preprocess(source, tmp_path / "like", like=folder / "m", reporter=made)
        list(predict(folder / "m", source, reporter=answered))
        for heard in (made, answered):
            told = [text for text in heard.warnings if "spelling and units" in text]
            assert len(told) == (2 if name == "other" else 0)


def test_a_category_written_otherwise_is_predicted_the_same(stores, tmp_path):
    folder, rows = stores
    same = [{**row, "store": row["store"].removesuffix(".0"), "n": f"{row['n']}.00"} for row in rows]
    source = str(write_csv(tmp_path / "same.csv", same))
    sources = (source, str(folder / "train.csv"))
    found = [[row for group in predict(folder / "m", path) for row in group] for path in sources]
    assert found[0] == found[1]


def test_predicting_says_which_cells_are_odd(stores, tmp_path):
    folder, rows = stores
    source = str(write_csv(tmp_path / "odd.csv", [{**row, "n": "?!"} for row in rows[:3]]))
    heard = Heard()
    (answers,) = predict(folder / "m", source, reporter=heard)
    assert [row["status"]["table"] for row in answers] == ["ok"] * 3
    assert "3 cells are treated as empty (column 'n': '?!' is not a number × 3)" in heard.warnings
