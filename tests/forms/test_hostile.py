"""Hostile files cost no more than the limits say, and libraries keep quiet about them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTES = 500
RUN = """
import resource, sys, tempfile
from pathlib import Path
from tests.forms.catalogue import GROUPS
from tests.forms.form import run_forms

resource.setrlimit(resource.RLIMIT_AS, (32 * 2**30, 32 * 2**30))  # a bomb that goes off harms this process alone
with tempfile.TemporaryDirectory() as folder:
    for number, title in enumerate(sys.argv[1:]):
        run_forms(*GROUPS[title], Path(folder) / str(number))
        print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.parametrize("what", ["Images", "Audio", "Arrays"])
def test_damaged_and_hostile_files_take_bounded_memory_and_print_nothing(what):
    first = "Arrays: vectors" if what == "Arrays" else what
    done = subprocess.run(
        [sys.executable, "-c", RUN, first, f"{what}, damaged", f"{what}, hostile"],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    usual, _, most = map(int, done.stdout.split())
    assert most - usual < MEGABYTES
