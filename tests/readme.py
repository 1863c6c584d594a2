"""The README's and the pages' commands, run in a folder that has the sample data and an ``mmcli``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks_of(text: str) -> list[str]:
    """The shell commands of a page, a block each."""
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def make_place(folder: Path) -> Path:
    """Put sample_data and an ``mmcli`` into a folder."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    (folder / "bin").mkdir()
    script = folder / "bin" / "mmcli"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mmcli "$@"\n')
    script.chmod(0o755)
    return folder


def shell(block: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder, capture_output=True, text=True, check=False, timeout=500, env=environment,
    )  # fmt: skip


def run_main(folder: Path) -> str:
    """Run the main command in such a folder; return what it prints."""
    main = next(block for block in blocks_of(README) if "mmcli run" in block)
    done = shell(main.partition("&&")[2].partition("&&")[2].replace(".venv/bin/", ""), folder)
    assert done.returncode == 0, done.stderr
    return done.stdout
