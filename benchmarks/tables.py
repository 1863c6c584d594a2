"""Cells a second: a delimited table of numbers to a stored, standardised artifact, against what a user would write.

    python benchmarks/tables.py [--rows 1000000] [--columns 20] [--rounds 3] [--wide]

Made of random numbers, so that it needs no data. Against it, in the same process and round: pandas' reader with
scikit-learn's scaler and ``numpy.save`` (reads, splits and scales the same table, without ids, checks, keys, ledger or
manifest), and ``cat`` of the file, the disk's limit. mmcli runs as the command does, its start-up apart. ``--wide``
measures 200 rows of 5,000 columns instead. A ratio is the median of those within a round.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from mmcli.stages.preprocess import preprocess


def write_table(path: Path, rows: int, columns: int) -> None:
    """Write a table of normal numbers with an id and a target of two classes."""
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(columns)]
    with path.open("w") as file:
        for start in range(0, rows, 100_000):
            count = min(100_000, rows - start)
            part = pd.DataFrame(random.normal(size=(count, columns)).round(4), columns=names)
            part.insert(0, "id", [f"r{number}" for number in range(start, start + count)])
            part["y"] = random.integers(0, 2, count)
            part.to_csv(file, index=False, header=start == 0)


def by_pandas(path: Path, folder: Path) -> None:
    """Read, split, scale and save, as in a few lines of pandas."""
    table = pd.read_csv(path)
    train = np.random.default_rng(0).random(len(table)) < 0.8
    values = table.drop(columns=["id", "y"]).to_numpy()
    scaled = StandardScaler().fit(values[train]).transform(values).astype(np.float32)
    np.save(folder / "values.npy", scaled)
    table[["id", "y"]].to_csv(folder / "rows.csv", index=False)


def by_reading(path: Path, folder: Path) -> None:
    """Read and write the bytes."""
    (folder / "copy").write_bytes(path.read_bytes())


def by_mmcli(path: Path, folder: Path) -> None:
    """Run the stage."""
    preprocess(str(path), folder / "samples", numeric=["x*"], target="y")


def seconds(work: Callable[[Path, Path], None], path: Path) -> tuple[float, float]:
    """Return the wall and processor seconds of one run into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), time.process_time()
        work(path, Path(folder))
        return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    """Print the medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wide", action="store_true")
    asked = parser.parse_args()
    rows, columns = (200, 5000) if asked.wide else (asked.rows, asked.columns)
    contenders = {"mmcli": by_mmcli, "pandas, scikit-learn": by_pandas, "read and write": by_reading}
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "table.csv", Path(folder) / "small.csv"
        write_table(path, rows, columns)
        write_table(small, 200, 3)
        for work in contenders.values():
            seconds(work, small)  # what is imported on first use
        times = [{name: seconds(work, path) for name, work in contenders.items()} for _ in range(asked.rounds)]
    print(f"{rows:,} rows x {columns:,} numbers; {platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    for name in contenders:
        wall = statistics.median(each[name][0] for each in times)
        cpu = statistics.median(each[name][1] for each in times)
        ratio = statistics.median(each[name][0] / each["mmcli"][0] for each in times)
        print(
            f"{name:>22}: {wall:7.2f} s, processor {cpu:7.2f} s, {rows * columns / wall / 1e6:7.2f} million cells/s, "
            f"{ratio:5.2f} of mmcli's seconds"
        )


if __name__ == "__main__":
    main()
