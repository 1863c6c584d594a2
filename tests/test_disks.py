"""A disk that is full, read-only or closed to us: one line, nothing half-written, the earlier artifact intact."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = {
    "preprocess": ["table.csv", "--text", "words", "--image", "picture", "--target", "label", "--image-size", "96"],
    "extract-features": ["samples", "--use", "picture=hog", "--use", "words=tfidf:analyzer=char"],
    "fuse": ["features", "--method", "mean"],
    "train": ["fused", "--epochs", "3"],
}
"""What each stage is told, other than what the earlier artifact was made with."""
MADE = {"preprocess": "samples", "extract-features": "features", "fuse": "fused", "train": "model"}
IN_A_DISK = """
mkdir disk && mount -t tmpfs -o size=200m none disk && cp -a earlier/. disk
used=$(df --output=used -B1 disk | tail -1)
case $0 in
  full) mount -o remount,size=$((used + 65536)) disk ;;
  read-only) mount -o remount,ro disk ;;
  closed) chmod 555 disk ;;
esac
setpriv --bounding-set=-all --inh-caps=-all "$@"
code=$?
mkdir after && cp -a disk/. after
exit $code
"""
SAID = {
    "full": "no space left on the disk",
    "read-only": "cannot be written: Read-only file system",
    "closed": "cannot be written: Permission denied",
}


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def can_mount() -> bool:
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt && setpriv --bounding-set=-all true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


def command(stage: str, output: str) -> list[str]:
    return [sys.executable, "-m", "mmcli", stage, *STAGES[stage], "-o", output]


def run(arguments: list[str], folder: Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    def restrict() -> None:
        import resource

        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        arguments, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        preexec_fn=restrict, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@pytest.fixture(params=STAGES)
def stage(request, chain, tmp_path):
    """A stage, in a folder with what it reads, and what an earlier run of it made in ``earlier/out``."""
    for name in ("table.csv", "images", *MADE.values()):
        (tmp_path / name).symlink_to(chain / name)
    shutil.copytree(chain / MADE[request.param], tmp_path / "earlier/out")
    return request.param


def check_refused(done: subprocess.CompletedProcess[str], stage: str, said: str) -> None:
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"mmcli {stage}: error: ")
    assert lines[0].endswith(said)
    assert "Traceback" not in done.stderr


def test_a_file_that_cannot_grow_leaves_the_earlier_artifact_and_the_command_can_go_on(stage, tmp_path):
    before = digests(tmp_path / "earlier/out")
    done = run(command(stage, "earlier/out"), tmp_path, limit=5_000)
    check_refused(done, stage, "the file would be larger than this process may write (ulimit -f)")
    assert digests(tmp_path / "earlier/out") == before
    for output in ("earlier/out", "other"):
        done = run(command(stage, output), tmp_path)
        assert done.returncode == 0, done.stderr
    after, other = digests(tmp_path / "earlier/out"), digests(tmp_path / "other")
    assert {**after, "run.json": ""} == {**other, "run.json": ""}


@pytest.mark.skipif(not can_mount(), reason="needs a user namespace in which to mount a small disk")
@pytest.mark.parametrize("disk", SAID)
def test_a_disk_that_cannot_be_written_leaves_the_earlier_artifact(stage, disk, tmp_path):
    before = digests(tmp_path / "earlier/out")
    done = run(["unshare", "-rm", "sh", "-c", IN_A_DISK, disk, *command(stage, "disk/out")], tmp_path)
    check_refused(done, stage, SAID[disk])
    assert digests(tmp_path / "after/out") == before
    assert {path.name for path in (tmp_path / "after").iterdir()} <= {"out", ".out.partial"}
