"""verify, ledger and clean: what is kept on disk, and whether it is what it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmcli.stages.clean import find_leftovers, remove
from mmcli.stages.verify import verify

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stage", ["samples", "features", "fused", "model"])
def test_an_untouched_artifact_has_no_differences(chain, stage):
    assert verify(chain / stage) == []


@pytest.mark.parametrize("stage", ["samples", "features", "fused", "model"])
def test_a_flipped_bit_is_found_in_every_file(chain, stage, tmp_path):
    copy = tmp_path / stage
    shutil.copytree(chain / stage, copy)
    files = [path for path in copy.rglob("*") if path.is_file() and path.name not in ("artifact.json", "run.json")]
    assert len(files) >= 4
    for path in files:
        content = path.read_bytes()
        if not content:
            continue
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert path.relative_to(copy).as_posix() in [difference.where for difference in verify(copy)]
        path.write_bytes(content)
    assert verify(copy) == []


def test_a_changed_header_or_a_file_more_or_less_is_found(chain, tmp_path, mmcli):
    copy = tmp_path / "samples"
    shutil.copytree(chain / "samples", copy)
    header = json.loads((copy / "artifact.json").read_text())
    (copy / "artifact.json").write_text(json.dumps({**header, "seed": 1}))
    assert [difference.where for difference in verify(copy)] == ["artifact.json"]
    (copy / "artifact.json").write_text(json.dumps(header))
    (copy / "ledger.jsonl").unlink()
    (copy / "more.txt").write_text("x")
    assert {difference.where for difference in verify(copy)} == {"ledger.jsonl", "more.txt"}
    result = mmcli("verify", copy)
    assert result.code == 4
    assert "2 differences" in result.err
    assert mmcli("verify", chain / "samples").code == 0


def test_media_that_changed_are_named(table, mmcli):
    assert mmcli("preprocess", "table.csv", "-o", "s", "--image", "picture", "--text", "words").code == 0
    assert mmcli("verify", "s", "--media").code == 0
    images = table.parent / "images"
    (images / "9.png").write_bytes((images / "8.png").read_bytes())
    result = mmcli("verify", "s", "--media", "--json")
    assert result.code == 4
    assert [difference["where"] for difference in json.loads(result.out)] == ["s009, picture"]
    assert mmcli("verify", "s").code == 0, "the artifact itself is as it was"


def test_the_ledger_is_listed_filtered_and_counted(chain, mmcli):
    entries = mmcli("ledger", chain / "samples", "--json").rows
    assert [(entry["id"], entry["modality"], entry["status"]) for entry in entries] == [
        ("s000", "words", "missing"), ("s001", "table", "missing"),
        ("s002", "picture", "missing"), ("s004", "picture", "corrupt"),
    ]  # fmt: skip
    assert [entry["id"] for entry in mmcli("ledger", chain / "samples", "--status", "corrupt", "--json").rows] == [
        "s004"
    ]
    counted = mmcli("ledger", chain / "features", "--modality", "picture_hog", "--count", "--json").rows
    assert {(row["status"], row["inputs"]) for row in counted} == {("missing", 1), ("corrupt", 1)}
    wrong = mmcli("ledger", chain / "samples", "--modality", "wrods")
    assert wrong.code == 2
    assert "did you mean 'words'" in wrong.err


def test_clean_lists_leftovers_and_deletes_them_only_with_yes(table, mmcli):
    from mmcli.store.publish import FolderLock

    folder = table.parent
    (folder / ".a.partial" / "tensors").mkdir(parents=True)
    (folder / ".a.partial" / "tensors" / "00000.safetensors").write_bytes(b"0" * 1000)
    (folder / ".b.replaced.77").mkdir()
    listed = json.loads(mmcli("clean", "--json").out)
    assert [(Path(left["path"]).name, left["bytes"], left["removed"]) for left in listed] == [
        (".a.partial", 1000, False), (".b.replaced.77", 0, False),
    ]  # fmt: skip
    lock = FolderLock(folder / ".a.partial", folder / "a")
    held = find_leftovers(folder)
    assert [left.in_use for left in held] == [True, False]
    assert [left.path.name for left in remove(held)] == [".b.replaced.77"]
    lock.close()
    assert mmcli("clean", "--yes").code == 0
    assert not (folder / ".a.partial").exists()
    assert table.exists()


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN], ids=["in front", "in the background"])
def test_sigterm_is_as_ctrl_c(table, ctrl_c):
    process = subprocess.Popen(
        [sys.executable, "-m", "mmcli", "preprocess", "-", "-o", "s"], cwd=table.parent,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, ctrl_c),
    )  # fmt: skip
    time.sleep(2)
    process.terminate()
    assert process.wait(timeout=30) == 130
    assert "Traceback" not in process.stderr.read()
    process.stdin.close()
    process.stderr.close()
    assert not list(table.parent.glob(".s*"))
