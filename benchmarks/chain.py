"""The whole chain on real tables: accuracy over seeds, fused against each modality alone, time, and a second run.

    python benchmarks/chain.py --data DIR

DIR holds a folder for each data set with a ``manifest.csv``: ``emoji`` (columns text, image, label, split) and
``av_digits`` (image_hard, audio_hard, label, split). Each stage is the real command in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETS = {
    "emoji": {"text": "text", "image": "image"},
    "av_digits": {"image": "image_hard", "audio": "audio_hard"},
}
SEEDS = (0, 1, 2)


def mmcli(*arguments: object) -> tuple[dict, float]:
    """Run a command; return its JSON summary and its seconds, start-up included."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "mmcli", *map(str, arguments), "--json", "--quiet"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout), time.perf_counter() - began


def measure(name: str, columns: dict[str, str], table: Path, work: Path) -> None:
    """Print what one data set gives."""
    print(f"\n{name}: {', '.join(f'{column} ({kind})' for kind, column in columns.items())}")
    flags = [part for kind, column in columns.items() for part in (f"--{kind}", column)]
    stages = {
        "preprocess": ("preprocess", table, "-o", work / "samples", *flags, "--target", "label"),
        "extract-features": ("extract-features", work / "samples", "-o", work / "features"),
        "fuse": ("fuse", work / "features", "-o", work / "fused"),
        "train": ("train", work / "fused", "-o", work / "model"),
        "evaluate": ("evaluate", work / "model", work / "fused"),
    }
    first = {stage: mmcli(*command) for stage, command in stages.items()}
    second = {stage: mmcli(*stages[stage]) for stage in list(stages)[:4]}
    print(f"  whole chain, five processes: {sum(seconds for _, seconds in first.values()):.1f} s")
    for stage, (summary, seconds) in first.items():
        again = ""
        if stage in second:
            share = second[stage][0]["seconds"] / summary["seconds"]
            computed = second[stage][0]["computed"]
            again = f"   again: {second[stage][1]:.1f} s, its work {share:.1%} of the first, {computed} computed"
        work_seconds = f", {summary['seconds']:.2f} s without start-up" if "seconds" in summary else ""
        print(f"  {stage:17} {seconds:5.1f} s{work_seconds}{again}")
    for method in ("concat", *(f"only:{column}" for column in columns.values())):
        found = []
        for seed in SEEDS:
            mmcli("train", work / "features", "-o", work / "trial", "--method", method, "--seed", seed, "--fresh")
            found.append(mmcli("evaluate", work / "trial", work / "features")[0]["metrics"]["accuracy"])
        shown = " ".join(f"{value:.4f}" for value in found)
        print(f"  {method:18} test accuracy {statistics.mean(found):.4f}  (seeds {shown})")


def main() -> None:
    """Measure every data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, columns in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            measure(name, columns, data / name / "manifest.csv", Path(folder))


if __name__ == "__main__":
    main()
