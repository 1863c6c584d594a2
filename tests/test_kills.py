"""kill -9 at any moment: the same command again ends in the bytes of an uninterrupted run."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL_SHARDS = """
import mmcli.store.tensors as tensors
tensors.SHARD_ROWS = 4
import sys
if "train" in sys.argv:
    import mmcli.training.fit as run
    run._CHECKPOINT_SECONDS = 0
from mmcli.cli import main
main()
"""
"""The command itself, with shards of four rows and a checkpoint after every epoch, so that there is much to lose."""

STAGES = {
    "preprocess": ["preprocess", "table.csv", "-o", "OUT/samples", "--text", "words", "--image", "picture",
                   "--target", "label", "--image-size", "96"],
    "extract-features": ["extract-features", "done/samples", "-o", "OUT/features"],
    "fuse": ["fuse", "done/features", "-o", "OUT/fused", "--method", "mean"],
    "train": ["train", "done/fused", "-o", "OUT/model", "--epochs", "30", "--patience", "0"],
}  # fmt: skip


def start(stage: str, out: str, folder: Path) -> subprocess.Popen[bytes]:
    arguments = [part.replace("OUT", out) for part in STAGES[stage]]
    return subprocess.Popen(
        [sys.executable, "-c", SMALL_SHARDS, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.fixture
def whole(table):
    """The four stages run without interruption into ``done``; returns the seconds that each took."""
    seconds = {}
    for stage in STAGES:
        began = time.monotonic()
        finish(start(stage, "done", table.parent))
        seconds[stage] = time.monotonic() - began
    return seconds


def wait_for_work(stage: str, folder: Path) -> None:
    """Return when the stage has finished some of its work, and not all."""
    name = STAGES[stage][3].removeprefix("OUT/")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if len(list((folder / "killed" / f".{name}.partial").glob("*/*.safetensors"))) >= (
            1 if stage == "train" else 2
        ):
            return
    raise AssertionError(f"{stage} did nothing")


def kill_and_repeat(stage: str, folder: Path, after: float | None) -> bool:
    """Kill the stage ``after`` seconds (None: once it has done some work), run it again and compare.

    Tells whether the kill came in time.
    """
    process = start(stage, "killed", folder)
    if after is None:
        wait_for_work(stage, folder)
    else:
        time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finish(start(stage, "killed", folder))
    name = STAGES[stage][3].removeprefix("OUT/")
    assert digests(folder / "killed" / name) == digests(folder / "done" / name)
    assert [path.name for path in (folder / "killed").iterdir()] == [name], "something is left beside it"
    shutil.rmtree(folder / "killed")
    return process.returncode == -signal.SIGKILL


def test_one_kill_in_each_stage(table, whole):
    assert {stage: kill_and_repeat(stage, table.parent, None) for stage in whole} == dict.fromkeys(whole, True)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_twenty_kills_at_random_moments(table, whole, stage):
    moments = random.Random(stage)
    in_time = [kill_and_repeat(stage, table.parent, moments.random() * whole[stage]) for _ in range(20)]
    assert sum(in_time) >= 10


def test_kills_one_after_the_other_lose_nothing(table, whole):
    """Each time it is started anew, the run keeps what those before it finished."""
    for share in (0.5, 0.7, 0.9):
        process = start("preprocess", "killed", table.parent)
        time.sleep(share * whole["preprocess"])
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(start("preprocess", "killed", table.parent))
    assert digests(table.parent / "killed/samples") == digests(table.parent / "done/samples")
