import json
import os

import numpy as np
import pytest

from mmcli.errors import MmcliError, TooManyBadError
from mmcli.stages.check import check
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact


def by_name(parts):
    return {part.name: part for part in parts}


def test_it_says_what_preprocess_then_finds(table, tmp_path):
    report = check(str(table), all=True, image_size=32)
    preprocess(str(table), tmp_path / "out", image_size=32)
    artifact = Artifact(tmp_path / "out")
    assert report.rows == report.looked_at == len(artifact)
    assert report.splits == artifact.header["splits"]
    found = by_name(report.modalities)
    assert {name: part.counts for name, part in found.items()} == artifact.header["counts"]
    assert {name: part.kind for name, part in found.items()} == {
        name: spec.kind for name, spec in artifact.modalities.items()
    }
    ledger = [entry for entry in artifact.ledger() if entry.reason != "empty cell"]
    assert [(entry.id, entry.modality, entry.reason) for entry in report.bad] == [
        (entry.id, entry.modality, entry.reason) for entry in ledger
    ]
    assert found["picture"].reasons == {"file not found": 1, "not an image": 1}


def test_it_describes_columns_labels_and_sizes(table):
    report = check(str(table), all=True)
    columns = by_name(report.columns)
    assert {name: column.used for name, column in columns.items()} == {
        "id": "id", "split": "split", "words": "text", "picture": "image", "size": "table", "label": "target",
    }  # fmt: skip
    rows = report.rows
    assert (columns["words"].empty, columns["size"].empty, columns["label"].distinct) == (1, 1, 3)
    assert columns["id"].example == "s000"
    assert sum(report.labels.values()) == rows
    sizes = [os.path.getsize(path) for path in (table.parent / "images").iterdir() if path.name != "2.png"]
    median, largest = by_name(report.modalities)["picture"].sizes["bytes"]
    assert (median, largest) == (np.median(sizes), max(sizes))
    assert report.read_bytes == sum(sizes)


def test_disk_needed_is_about_what_preprocess_writes(table, tmp_path):
    report = check(str(table), all=True)
    preprocess(str(table), tmp_path / "out")
    written = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert report.disk_bytes == pytest.approx(written, rel=0.1)
    assert report.disk_bytes < report.free_bytes


def test_a_sample_stands_for_the_whole(table):
    whole, part = check(str(table), all=True), check(str(table), sample=20)
    assert (part.rows, part.looked_at) == (whole.rows, 20)
    assert part.splits == whole.splits
    assert part.disk_bytes == pytest.approx(whole.disk_bytes, rel=0.2)
    assert check(str(table), sample=20).bad == part.bad


def test_nothing_is_written(table):
    before = {path: path.stat().st_mtime_ns for path in table.parent.rglob("*")}
    check(str(table))
    assert {path: path.stat().st_mtime_ns for path in table.parent.rglob("*")} == before


def test_a_table_that_preprocess_refuses_is_refused(table):
    with pytest.raises(MmcliError, match="wrods"):
        check(str(table), text=["wrods"])


def test_too_many_bad_inputs_are_an_exit_code_after_the_report(table, mmcli):
    assert check(str(table), all=True, max_errors="2").failure is None
    assert isinstance(check(str(table), all=True, max_errors="1").failure, TooManyBadError)
    result = mmcli("check", str(table), "--all", "--json", "--max-errors", "1")
    assert result.code == 3
    assert len(json.loads(result.out)["bad"]) == 2


def test_the_command_takes_the_options_of_preprocess(table, mmcli):
    result = mmcli("check", str(table), "--text", "words", "--max-tokens", "3", "--target", "label", "--sample", "10")
    assert result.code == 0
    assert "decoded 10 of them" in result.out
    assert "picture" in result.out
    assert "not used" in result.out
