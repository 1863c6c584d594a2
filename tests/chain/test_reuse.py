"""Running again: nearly free, the same bytes, and only what changed is redone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact


def digests(folder: Path) -> dict[str, str]:
    """The hash of every file but run.json, computed without mmcli."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def run_chain(folder: Path, jobs: int = 1, **options):
    """Run four stages in ``folder``, which holds the table, and return their summaries."""
    table = options.pop("table", "table.csv")
    return [
        preprocess(table, folder / "samples", text=["words"], image=["picture"], numeric=["size"], target="label",
                   image_size=32, jobs=jobs, **options),
        extract_features(str(folder / "samples"), folder / "features", jobs=jobs),
        fuse([str(folder / "features")], folder / "fused", method="gated", jobs=jobs),
        train(str(folder / "fused"), folder / "model", epochs=3),
    ]  # fmt: skip


@pytest.fixture
def here(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_same_chain_gives_the_same_bytes_with_any_number_of_workers(here):
    for name, jobs in {"one": 1, "two": 1, "many": 4}.items():
        (here / name).mkdir()
        run_chain(here / name, jobs)
    for stage in ("samples", "features", "fused", "model"):
        first = digests(here / "one" / stage)
        assert len(first) > 3
        assert first == digests(here / "two" / stage)
        assert first == digests(here / "many" / stage)


def test_a_second_run_computes_nothing_and_changes_nothing(here):
    run_chain(here)
    before = {stage: digests(here / stage) for stage in ("samples", "features", "fused", "model")}
    again = run_chain(here)
    assert [summary.computed for summary in again] == [0, 0, 0, 0]
    assert [summary.reused for summary in again[:2]] == [176, 234]
    assert before == {stage: digests(here / stage) for stage in before}


def test_one_changed_picture_redoes_one_item(here):
    run_chain(here)
    Image.new("RGB", (16, 16), (255, 255, 0)).save(here / "images" / "7.png")
    samples, features, *_ = run_chain(here)
    assert (samples.computed, samples.reused) == (1, 175)
    assert features.computed == 2, "hog and the colour histogram of that picture"
    # A chain that never saw the earlier picture gives the same bytes.
    (here / "anew").mkdir()
    run_chain(here / "anew")
    assert digests(here / "samples") == digests(here / "anew" / "samples")
    assert digests(here / "features") == digests(here / "anew" / "features")


def test_rows_moved_or_added_are_looked_up_by_content(here):
    run_chain(here)
    lines = (here / "table.csv").read_text().splitlines()
    train = [line for line in lines[1:] if ",train," in line]
    rest = [line for line in lines[1:] if ",train," not in line]
    (here / "moved.csv").write_text("\n".join([lines[0], *rest[::-1], *train]) + "\n")
    samples, features, *_ = run_chain(here, table="moved.csv")
    assert (samples.computed, features.computed) == (0, 0)


def test_fresh_computes_everything(here):
    run_chain(here)
    assert preprocess("table.csv", here / "samples", text=["words"], image=["picture"], numeric=["size"],
                      target="label", image_size=32, fresh=True).computed == 176  # fmt: skip


def test_changing_test_rows_changes_no_state_and_no_weight(here):
    run_chain(here)
    lines = (here / "table.csv").read_text().splitlines()
    changed = []
    for line in lines:
        cells = line.split(",")
        if cells[1] == "test":
            cells[2], cells[4], cells[5] = "never seen words", "999.5", "red"
            Image.new("RGB", (16, 16), (int(cells[0][1:]), 255, 0)).save(here / cells[3])
        changed.append(",".join(cells))
    assert changed != lines
    (here / "table.csv").write_text("\n".join(changed) + "\n")
    shutil.copytree(here, here.with_name(here.name + "-before"))
    before = {stage: digests(here / stage) for stage in ("samples", "features", "fused", "model")}
    run_chain(here)
    for stage in before:
        after = digests(here / stage)
        states = [name for name in after if name.startswith("state/")]
        assert states
        assert {name: after[name] for name in states} == {name: before[stage][name] for name in states}
    assert digests(here / "samples") != before["samples"], "the rows themselves did change"
    assert digests(here / "model")["network.safetensors"] == before["model"]["network.safetensors"]
    assert digests(here / "model")["history.json"] == before["model"]["history.json"]


def test_an_interrupted_run_goes_on_and_ends_in_the_same_bytes(here, monkeypatch):
    import mmcli.store.tensors
    from mmcli.chain import driver

    monkeypatch.setattr(mmcli.store.tensors, "SHARD_ROWS", 8)
    whole = here / "whole"
    whole.mkdir()
    run_chain(whole)
    written = []

    def write_five(path, columns):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        return mmcli.store.tensors.write_shard(path, columns)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "write_shard", write_five)
        with pytest.raises(KeyboardInterrupt):
            run_chain(here)
    assert not (here / "samples").exists()
    summary = run_chain(here)[0]
    assert summary.reused > 0
    assert summary.computed < 176
    assert digests(here / "samples") == digests(whole / "samples")
    assert not list(here.glob(".*partial"))


def test_status_and_keys_agree(here):
    run_chain(here)
    samples = Artifact(here / "samples")
    column = samples.take("picture", np.arange(60))
    absent = [row["row"] for row in samples.rows if row["status"]["picture"] != "ok"]
    assert absent == [2, 4] == np.flatnonzero(~column.present).tolist()
    assert not column.main.values[absent].any()
    assert not column.key[2].any(), "a file that is not there has no content"
    assert column.key[4].any(), "a damaged one has"
