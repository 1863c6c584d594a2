"""Peak memory of preprocess and extract-features over the number of rows: it must not grow with the table.

    python benchmarks/memory.py                       # 20,000 and 200,000 rows; about 15 minutes and 8 GB of disk
    python benchmarks/memory.py --rows 2000 20000

Makes its own data: small images, short sounds and short texts; rows name 2,000 distinct files in turn, texts are all
different. Prints for each kind and stage the peak resident memory of the command's process (what the kernel counted,
mapped files among it), and the ratio of the larger table's to the smaller's.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
from PIL import Image

DISTINCT = 2000
WORDS = 5000
STAGES = {
    "image": (["--image", "input", "--image-size", "32"], ["--use", "input=hog"]),
    "audio": (["--audio", "input"], ["--use", "input=mfcc"]),
    "text": (["--text", "input"], ["--use", "input=tfidf:max_features=256"]),
}


def make_files(folder: Path, kind: str) -> list[str]:
    """Write the distinct files of a kind; return their names."""
    generator = np.random.default_rng(0)
    names = [f"{kind}/{number}.{'png' if kind == 'image' else 'wav'}" for number in range(DISTINCT)]
    (folder / kind).mkdir()
    for name in names:
        if kind == "image":
            Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / name)
        else:
            with wave.open(str(folder / name), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes(generator.integers(-9999, 9999, 4000, dtype=np.int16).tobytes())
    return names


def make_table(folder: Path, kind: str, rows: int, names: list[str]) -> Path:
    """Write a table of so many rows."""
    generator = np.random.default_rng(rows)
    words = np.array([f"word{number}" for number in range(WORDS)])
    path = folder / f"{kind}-{rows}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "input", "label"])
        for row in range(rows):
            cell = " ".join(words[generator.integers(0, WORDS, 12)]) if kind == "text" else names[row % len(names)]
            writer.writerow([row, cell, row % 3])
    return path


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run a command; return its peak memory in MB and the seconds it took."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "mmcli", *arguments, "--json", "-q"], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"mmcli {' '.join(arguments)} failed")
    return usage.ru_maxrss / 1024, time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs=2, default=[20_000, 200_000], metavar=("FEW", "MANY"))
    parser.add_argument("--kinds", nargs="+", choices=STAGES, default=list(STAGES))
    options = parser.parse_args()
    print(f"{'kind':6} {'stage':17} {'rows':>9} {'peak MB':>8} {'ratio':>6} {'seconds':>8}")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            names = [] if kind == "text" else make_files(folder, kind)
            peaks: dict[str, float] = {}
            for rows in options.rows:
                table = make_table(folder, kind, rows, names)
                made, extracted = f"samples-{rows}", f"features-{rows}"
                calls = {
                    "preprocess": ["preprocess", table.name, "-o", made, *STAGES[kind][0]],
                    "extract-features": ["extract-features", made, "-o", extracted, *STAGES[kind][1]],
                }
                for stage, arguments in calls.items():
                    peak, seconds = run(folder, *arguments)
                    ratio = f"{peak / peaks[stage]:.2f}" if stage in peaks else ""
                    peaks.setdefault(stage, peak)
                    print(f"{kind:6} {stage:17} {rows:9,} {peak:8.0f} {ratio:>6} {seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
