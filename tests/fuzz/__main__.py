"""Fuzzes readers: ``python -m tests.fuzz [READER ...] [--minutes M] [--folder F]``, each in a process of its own."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.runs import READERS, child, fuzz

parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
parser.add_argument("readers", nargs="*", default=READERS, help=", ".join(READERS))
parser.add_argument("--minutes", type=float, default=10.0, help="For each reader.")
parser.add_argument("--folder", type=Path, help="Keeps what is found; by default a temporary folder.")
parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
told = parser.parse_args()
if told.child is not None:
    child(told.readers[0], told.folder, told.minutes, told.child)
    sys.exit()
folder = told.folder or Path(tempfile.mkdtemp(prefix="mmcli-fuzz-"))
failed = False
for reader in told.readers:
    outcome = fuzz(reader, folder / reader, told.minutes)
    failed |= bool(outcome.findings)
    print(outcome, flush=True)
sys.exit(1 if failed else 0)
