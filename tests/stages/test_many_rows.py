"""A table of a million rows: memory does not grow with it, and its artifact opens without reading it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ROWS = 1_000_000
_BASE = """
import json, sys, time
from pathlib import Path
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
"""
_PREPROCESS = """
import spacy
spacy.blank("en")
before, began = peak(), time.time()
summary = preprocess(sys.argv[1], Path(sys.argv[2]), jobs=1)
print(json.dumps({"rows": summary.rows, "megabytes": peak() - before, "seconds": time.time() - began}))
"""
_OPEN = """
before, began = peak(), time.time()
artifact = Artifact(Path(sys.argv[1]))
count = len(artifact)
seconds = time.time() - began
text = artifact.take("text", [0, count - 1]).texts("text")
print(json.dumps({"rows": count, "megabytes": peak() - before, "seconds": seconds, "text": list(text)}))
"""


def told(script, *arguments):
    run = subprocess.run(
        [sys.executable, "-c", _BASE + script, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    print(run.stdout)
    return json.loads(run.stdout)


@pytest.mark.slow
def test_a_million_rows(tmp_path):
    with (tmp_path / "a.csv").open("w") as file:
        file.write("id,a,b,c,text\n")
        for number in range(ROWS):
            file.write(f"s{number},{number % 97},{number / 7:.3f},{number % 2},some words of row {number} and more\n")
    made = told(_PREPROCESS, tmp_path / "a.csv", tmp_path / "out")
    assert made["rows"] == ROWS
    assert made["megabytes"] < 600
    opened = told(_OPEN, tmp_path / "out")
    assert opened["text"] == ["some words of row 0 and more", f"some words of row {ROWS - 1} and more"]
    assert opened["rows"] == ROWS
    assert opened["megabytes"] < 150
