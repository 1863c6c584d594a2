"""Tars in a folder for each split, and what Arrow files lie beside others."""

from __future__ import annotations

import json
import tarfile

import pyarrow
import pytest

from mmcli.errors import MmcliError
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact
from mmcli.store.sources.opening import open_table
from tests.store.sources.test_other_forms import add, rows_of, write_arrow


def write_splits(folder, names, keys="ab", **values):
    for name in names:
        (folder / name).mkdir(parents=True)
        for key in keys:
            with tarfile.open(folder / name / f"{key}.tar", "w") as tar:
                add(tar, f"{key}.txt", f"{key} of {name}".encode())
                add(tar, f"{key}.json", json.dumps({"n": 1, **values}).encode())
                add(tar, "nosuffix", b"")


def test_folders_are_splits_and_stand_before_the_keys(tmp_path):
    write_splits(tmp_path / "in", ("train", "Valid", "test"))
    table = open_table(str(tmp_path / "in"))
    right = [
        {"id": f"{name}/{key}", "txt": f"{key} of {name}", "n": 1, "split": split}
        for name, split in (("Valid", "val"), ("test", "test"), ("train", "train"))
        for key in "ab"
    ]
    assert [row for _, row in table.rows] == right
    assert [warning.split()[0] for warning in table.warnings] == ["2", "2", "2"]
    preprocess(str(tmp_path / "in"), tmp_path / "out", text=["txt"])
    assert [(row["id"], row["split"]) for row in Artifact(tmp_path / "out").rows] == [
        (row["id"], row["split"]) for row in right
    ]


def test_a_split_of_a_row_itself_is_refused(tmp_path):
    write_splits(tmp_path, ("train",), split="val")
    with pytest.raises(MmcliError, match=r"a\.tar, a: has a 'split' of its own, and lies in the folder 'train'"):
        rows_of(tmp_path)


def test_other_folders_are_none(tmp_path):
    write_splits(tmp_path, ("train", "extra"))
    with pytest.raises(MmcliError, match="no media files"):
        rows_of(tmp_path)


def test_one_key_in_two_tars_is_one_line(tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as tar:
            add(tar, "a.txt", b"one two")
    with pytest.raises(MmcliError, match=rf"^{tmp_path}/0\.tar, a and 1\.tar, a: both have the id 'a'"):
        preprocess(str(tmp_path), tmp_path / "out", text=["txt"])


def test_caches_in_a_folder_of_arrow_files_are_not_read(tmp_path):
    for name, key in (("part-0.arrow", "a"), ("part-1.arrow", "b"), ("cache-0123456789abcdef.arrow", "c")):
        write_arrow(tmp_path / name, pyarrow.table({"id": [key]}), "stream")
    assert [row["id"] for row in rows_of(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize("name", ["_indices_files", "_indices_data_files"])
def test_indices_of_every_version_are_refused(tmp_path, name):
    write_arrow(tmp_path / "d.arrow", pyarrow.table({"id": ["a"]}), "stream")
    (tmp_path / "dataset_info.json").write_text("{}")
    (tmp_path / "state.json").write_text(json.dumps({name: [{"filename": "i.arrow"}]}))
    with pytest.raises(MmcliError, match=r"flatten_indices\(\)"):
        rows_of(tmp_path)
