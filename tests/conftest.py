"""Fixtures: the command line as a function, and a small table made on the spot."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_data"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


def run_mmcli(*arguments: object, cwd: Path | None = None, stdin: str | None = None) -> Result:
    """Run the real command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "mmcli", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"},
        timeout=300,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def mmcli(tmp_path):
    """The command line in an empty folder: ``result = mmcli("preprocess", ...)``."""

    def call(*arguments: object, stdin: str | None = None, cwd: Path = tmp_path) -> Result:
        return run_mmcli(*arguments, cwd=cwd, stdin=stdin)

    return call


def write_csv(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 210)}
WORDS = {"red": "rose fire brick", "green": "leaf grass moss", "blue": "sea sky ice"}


def make_table(folder: Path, count: int = 60, seed: int = 0) -> Path:
    """Write ``table.csv``: words, a picture of one colour and a number, all of which tell the label red, green or blue.

    One text cell and one number cell are empty, one picture is not there and one is no picture.
    """
    from PIL import Image

    generator = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        label = list(COLOURS)[number % 3]
        noise = generator.integers(-20, 20, (16, 16, 3))
        pixels = (np.array(COLOURS[label]) + noise).clip(0, 255).astype(np.uint8)
        name = f"images/{number}.png"
        Image.fromarray(pixels).save(folder / name)
        rows.append(
            {
                "id": f"s{number:03d}",
                "split": ["train", "train", "train", "val", "test"][number // 3 % 5],
                "words": " ".join(generator.permutation(WORDS[label].split())),
                "picture": name,
                "size": f"{list(COLOURS).index(label) + generator.normal(0, 0.1):.3f}",
                "label": label,
            }
        )
    rows[0]["words"] = ""
    rows[1]["size"] = ""
    rows[2]["picture"] = "images/none.png"
    (folder / "images" / "4.png").write_bytes(b"this is no picture")
    return write_csv(folder / "table.csv", rows)


@pytest.fixture
def table(tmp_path):
    """A small table with gaps; see ``make_table``."""
    return make_table(tmp_path)


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """The whole chain run once on the small table: a folder with samples, features, fused and model."""
    from mmcli.stages.extract_features import extract_features
    from mmcli.stages.fuse import fuse
    from mmcli.stages.preprocess import preprocess
    from mmcli.stages.train import train

    folder = tmp_path_factory.mktemp("chain")
    make_table(folder)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], numeric=["size"],
        target="label", image_size=32,
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features")
    fuse([str(folder / "features")], folder / "fused", method="gated")
    train(str(folder / "fused"), folder / "model", epochs=15)
    return folder


LONGEST = ("test_pages.py", "test_readme.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process waits for another at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def deterministic_gpu():
    """Torch takes only its deterministic algorithms, as with ``--deterministic``."""
    import torch

    from mmcli.runtime import Runtime

    before = torch.are_deterministic_algorithms_enabled()
    Runtime(device="cuda", deterministic=True).torch_device()
    yield
    torch.use_deterministic_algorithms(before)


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
    from mmcli.stages.extract_features import extract_features
    from mmcli.stages.preprocess import preprocess

    preprocess(str(folder / "table.csv"), folder / "samples", tensor=["a_clip", "map"], numeric=["x"], target="label")
    extract_features(str(folder / "samples"), folder / "features")
    return folder
