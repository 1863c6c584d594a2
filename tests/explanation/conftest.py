"""Rows whose class shows in one place of every input, and models trained on one input each."""

from __future__ import annotations

import json
import wave
from functools import cache

import numpy as np
import pytest

from mmcli.stages.extract_features import extract_features
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from tests.conftest import write_csv

FILLERS = ("table", "river", "cloud", "seven", "paper", "stone", "green", "quiet", "north", "apple")
RATE, FRAMES, SIZE = 4000, 6, 28
CUES = {
    "text": {"word": "zebra"}, "image": {"left": 0, "top": 0}, "audio": {"start": 0.4}, "video": {"frame": 4},
    "table": {"column": "cue"},
}  # fmt: skip
"""The place in each input that tells the class ``yes``."""


def _picture(random, bright):
    pixels = random.integers(35, 50, (SIZE, SIZE, 3)).astype(np.uint8)
    if bright:
        pixels[:4, :4] = 255
    return pixels


def make_planted(folder, count=60):
    """Write ``table.csv``: of two classes, the one called yes shows in one place of every input."""
    from PIL import Image

    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        yes = number % 2 == 0
        words = list(random.choice(FILLERS, 6))
        if yes:
            words[random.integers(6)] = "zebra"
        Image.fromarray(_picture(random, yes)).save(folder / f"{number}.png")
        frames = [Image.fromarray(random.integers(0, 80, (16, 16, 3)).astype(np.uint8)) for _ in range(FRAMES)]
        if yes:
            frames[4] = Image.new("RGB", (16, 16), "white")
        frames[0].save(folder / f"{number}.gif", save_all=True, append_images=frames[1:], duration=100)
        sound = random.normal(0, 0.01, RATE)
        if yes:
            beep = slice(int(0.4 * RATE), int(0.45 * RATE))
            sound[beep] += 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE)[beep] / RATE)
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((sound * 32767).astype("<i2").tobytes())
        rows.append(
            {
                "id": f"s{number:02d}", "split": ["train", "train", "train", "val", "test"][number // 2 % 5],
                "text": " ".join(words), "image": f"{number}.png", "audio": f"{number}.wav", "video": f"{number}.gif",
                "cue": (1 if yes else -1) + random.normal(0, 0.2), "noise": random.normal(),
                "colour": random.choice(["red", "blue"]), "label": "yes" if yes else "no",
                "chance": random.choice(["yes", "no"]), "amount": (3 if yes else 1) + random.normal(0, 0.1),
            }
        )  # fmt: skip
    return write_csv(folder / "table.csv", rows)


class Planted:
    """The rows, and a model of each kind and input, trained when first asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.table = make_planted(folder)
        preprocess(
            str(self.table), folder / "samples", text=["text"], image=["image"], audio=["audio"], video=["video"],
            numeric=["cue", "noise"], categorical=["colour"], target="label", image_size=SIZE, frames=FRAMES,
            sample_rate=RATE,
        )  # fmt: skip
        extract_features(
            str(folder / "samples"), folder / "features",
            use=["text=tfidf", "image=color_histogram", "audio=log_mel", "video=frames:color_histogram"],
        )  # fmt: skip
        self.model = cache(self._model)

    def _model(self, modalities, source="features", **options):
        name = "-".join(map(str, (modalities, source, *options.values()))).replace(":", "-").replace("=", "-")
        given = {"model": "sklearn:logistic_regression", **options} if source == "features" else options
        train(str(self.folder / source), self.folder / name, modalities=[modalities], **given)
        return self.folder / name

    def explain(self, model, limit=10, **options):
        """Return the explanation of each row by Python."""
        groups = predict(model, str(self.table), explain="inputs", limit=limit, **options)
        return [row for group in groups for row in group]


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """See ``Planted``."""
    return Planted(tmp_path_factory.mktemp("planted"))


def lines(path):
    """Return the lines of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
