"""Fixtures of the stages."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from mmcli.stages.extract_features import extract_features
from mmcli.stages.preprocess import preprocess


@pytest.fixture(scope="session")
def steps(tmp_path_factory):
    """Sequences of 1 to 9 steps, feature maps and two numbers, some of each missing; two rows have nothing."""
    folder = tmp_path_factory.mktemp("steps")
    random = np.random.default_rng(0)
    rows = []
    for number in range(48):
        label = number % 2
        np.save(folder / f"clip{number}.npy", random.normal(label, 1, (random.integers(1, 10), 3)).astype("f4"))
        np.save(folder / f"map{number}.npy", random.normal(0, 1, (4, 2, 3)).astype("f4") + label)
        row = {
            "id": f"s{number}",
            "split": ["train", "train", "train", "val", "test"][number // 2 % 5],
            "a_clip": f"clip{number}.npy",
            "map": f"map{number}.npy",
            "x": random.normal(),
            "label": "ab"[label],
        }
        gap = number % 8
        for name in {1: ["a_clip"], 3: ["map"], 5: ["x"], 6: ["a_clip", "map"]}.get(gap, []):
            row[name] = ""
        rows.append(row)
    for number in (10, 19):
        rows[number] |= {"a_clip": "", "map": "", "x": ""}
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    preprocess(str(folder / "table.csv"), folder / "samples", tensor=["a_clip", "map"], numeric=["x"], target="label")
    extract_features(str(folder / "samples"), folder / "features")
    return folder
