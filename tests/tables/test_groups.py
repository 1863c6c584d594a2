"""Groups: rows without one are alone, few groups fill every split, and given splits that tear one are told."""

from __future__ import annotations

import numpy as np
import pytest

from mmcli.errors import MmcliError
from mmcli.stages.check import check
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact
from tests.conftest import write_csv
from tests.heard import Heard


def splits(source, folder, **options):
    heard = Heard()
    preprocess(str(source), folder, numeric=["x"], target="y", reporter=heard, **options)
    rows = list(Artifact(folder).rows)
    return {row["id"]: row["split"] for row in rows}, {row["id"]: row.get("g", "") for row in rows}, heard


def table(path, groups, **more):
    rows = [{"id": f"r{n}", "x": n / 3, "y": "ab"[n % 2], "g": group} for n, group in enumerate(groups)]
    for name, values in more.items():
        rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)]
    return write_csv(path, rows)


def shares(found):
    return {split: list(found.values()).count(split) / len(found) for split in ("train", "val", "test")}


@pytest.mark.parametrize("empty", ["", " ", "   "])
def test_rows_without_a_group_are_each_alone(tmp_path, empty):
    random = np.random.default_rng(0)
    groups = [empty if random.random() < 0.4 else f"p{random.integers(80)}" for _ in range(600)]
    found, group_of, _ = splits(table(tmp_path / "t.csv", groups), tmp_path / "out", group_by="g")
    for share, wanted in zip(shares(found).values(), (0.8, 0.1, 0.1), strict=True):
        assert abs(share - wanted) < 0.06
    for group in {each for each in group_of.values() if each.strip()}:
        assert len({found[name] for name, own in group_of.items() if own == group}) == 1
    lonely = shares({name: found[name] for name, own in group_of.items() if not own.strip()})
    assert min(lonely.values()) > 0.04


def test_rows_without_a_group_are_set_aside_one_by_one(tmp_path):
    given = ["train"] * 300 + ["test"] * 20
    source = table(tmp_path / "t.csv", [""] * 150 + [f"p{n % 40}" for n in range(170)], split=given)
    found, _, _ = splits(source, tmp_path / "out", group_by="g")
    assert 0.05 < list(found.values()).count("val") / 300 < 0.25


@pytest.mark.parametrize("count", [3, 4, 5, 8])
@pytest.mark.parametrize("seed", range(6))
def test_few_groups_give_every_split_one(tmp_path, count, seed):
    groups = [f"site {seed} {n % count}" for n in range(60)]
    found, group_of, heard = splits(table(tmp_path / "t.csv", groups), tmp_path / "out", group_by="g", seed=seed)
    assert set(found.values()) == {"train", "val", "test"}
    for group in set(groups):
        assert len({found[name] for name, own in group_of.items() if own == group}) == 1
    assert heard.warnings == []
    source = table(tmp_path / "u.csv", groups[::-1])
    again, of, _ = splits(source, tmp_path / "again", group_by="g", seed=seed)
    assert {of[name]: split for name, split in again.items()} == {
        group_of[name]: split for name, split in found.items()
    }


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_groups_are_reported(tmp_path, count):
    source = table(tmp_path / "t.csv", [f"g{n % count}" for n in range(30)])
    found, _, heard = splits(source, tmp_path / "out", group_by="g")
    empty = {"train", "val", "test"} - set(found.values())
    assert "train" in found.values()
    for split in empty:
        assert any(text.startswith(f"no {split} rows") and "groups of 'g'" in text for text in heard.warnings)


def test_many_groups_are_dealt_as_before(tmp_path):
    from mmcli.store.splitting import DEFAULT_RATIO, Splitter

    groups = [f"g{n % 90}" for n in range(300)]
    found, group_of, _ = splits(table(tmp_path / "t.csv", groups), tmp_path / "out", group_by="g")
    splitter = Splitter(DEFAULT_RATIO, 0)
    assert found == {name: splitter.assign(name, group) for name, group in group_of.items()}


def test_groups_in_several_given_splits_are_a_leak(tmp_path):
    groups = [f"p{n % 20}" for n in range(100)]
    given = [["train", "train", "val", "test"][n % 7 % 4] for n in range(100)]
    torn = table(tmp_path / "torn.csv", groups, split=given)
    _, _, heard = splits(torn, tmp_path / "out", group_by="g")
    (told,) = [text for text in heard.warnings if "groups of 'g'" in text]
    count = sum(len({split for split, own in zip(given, groups, strict=True) if own == g}) > 1 for g in set(groups))
    assert told.startswith(f"{count} of 20 groups of 'g' have rows in several splits (")
    with pytest.raises(MmcliError, match="rows in several splits"):
        splits(torn, tmp_path / "error", group_by="g", on_leak="error")
    assert not (tmp_path / "error").exists()
    heard = Heard()
    check(str(torn), numeric=["x"], target="y", group_by="g", reporter=heard)
    assert any("rows in several splits" in text for text in heard.warnings)
    tidy = table(tmp_path / "tidy.csv", groups, split=[["train", "val", "test"][n % 20 % 3] for n in range(100)])
    _, _, heard = splits(tidy, tmp_path / "tidy", group_by="g", on_leak="error")
    assert not [text for text in heard.warnings if "several splits" in text]
