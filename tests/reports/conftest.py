"""A model of samples whose names and texts are hostile to pages, and its report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.conftest import write_csv

NAMES = [
    '<script>alert("1")</script>',
    'it\'s "quoted" & <b>bold</b>',
    "\u202eevil \u05d0\u05d1",
    "🦊🏽 fox",
    "a|b`c`",
    "s",
]
CLASSES = ['"><img src=x onerror=alert(1)>', "عربي & <i>", "plain"]
TEXTS = ["</script><script>alert(2)</script> rose", "<!-- leaf {{ 7 * 7 }}", "sea ' onmouseover=alert(3) '"]
COLUMN = "<u>group</u>"


def make_hostile(folder: Path, count: int = 75) -> Path:
    """Write a table with a text, a picture, a sound and a number of each row, some of them missing."""
    random = np.random.default_rng(0)
    (folder / "media").mkdir(parents=True)
    rows = []
    for number in range(count):
        kind = number % 3
        pixels = np.array([[220, 30, 30], [30, 200, 40], [30, 40, 210]][kind]) + random.integers(-90, 90, (24, 24, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"media/{number}.png")
        tone = np.sin(np.arange(4000) * (0.05 + 0.1 * kind)) * 0.5 + random.normal(0, 0.05, 4000)
        soundfile.write(folder / f"media/{number}.wav", tone, 8000)
        rows.append(
            {
                "id": f"{NAMES[number % len(NAMES)]} {number}",
                "split": ["train", "train", "val", "test", "test"][number // 3 % 5],
                "words": TEXTS[kind if number % 4 else (kind + 1) % 3],
                "picture": f"media/{number}.png",
                "sound": f"media/{number}.wav",
                "size": f"{kind + random.normal(0, 1):.3f}",
                COLUMN: ["<em>x</em>", "y"][number % 2],
                "label": CLASSES[(kind + (number % 7 == 0)) % 3],
                "kind": "abc"[kind],
            }
        )
    rows[9]["picture"], rows[10]["sound"], rows[11]["words"] = "media/none.png", "", ""
    (folder / "media/12.png").write_bytes(b"no picture")
    return write_csv(folder / "table.csv", rows)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A folder with the table, its features, a model and ``report``."""
    from mmcli.stages.evaluate import evaluate
    from mmcli.stages.extract_features import extract_features
    from mmcli.stages.preprocess import preprocess
    from mmcli.stages.train import train

    folder = tmp_path_factory.mktemp("hostile")
    make_hostile(folder)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], audio=["sound"],
        numeric=["size"], target="label", image_size=24, sample_rate=8000,
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features")
    train(str(folder / "features"), folder / "model", epochs=4, folds=2)
    evaluate(
        folder / "model", str(folder / "features"), folder / "report", by=[COLUMN], fail_if=["accuracy<0", "ece>2"],
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def report(hostile):
    return hostile / "report"


@pytest.fixture(scope="session")
def metrics(report):
    return json.loads((report / "metrics.json").read_text())
