"""Names from a file and from an installed package go through the whole chain, and are missed where they are not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).parent / "tones.py"
CHAIN = (
    ("extract-features", "samples", "-o", "features", "--use", "picture=tone:gain=2", "--use", "words=tfidf"),
    ("fuse", "features", "-o", "fused", "--method", "halves"),
    ("train", "fused", "-o", "model", "--task", "verdict", "--epochs", "2"),
    ("evaluate", "model", "fused", "--split", "all", "-o", "report"),
    ("predict", "model", "table.csv", "-o", "answers.jsonl"),
)
"""Each command but preprocess, for which plugins bring nothing."""


def mmcli(folder, *arguments, path=(ROOT,)):
    env = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, "-m", "mmcli", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env=env,
    )  # fmt: skip


def succeed(*arguments, **options):
    done = mmcli(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def by_file(chain, tmp_path_factory):
    """The chain made with the plugin's file beside the table."""
    folder = tmp_path_factory.mktemp("by_file")
    shutil.copytree(chain, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("features", "fused", "model"))
    shutil.copy(FILE, folder / "tones.py")
    for command in CHAIN:
        succeed(folder, *command, "--plugin", "tones.py")
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder to import from, with an installed package of the same classes."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "tones_package").mkdir()
    shutil.copy(FILE, folder / "tones_package" / "parts.py")
    (folder / "tones_package" / "__init__.py").write_text("from .parts import Tone, Flat, Halves, Verdict\n")
    about = folder / "tones_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tones-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[mmcli.extractors]\nimage.tone = tones_package:Tone\n[mmcli.encoders]\nflat = tones_package:Flat\n"
        "[mmcli.fusion]\nhalves = tones_package:Halves\n[mmcli.tasks]\nverdict = tones_package:Verdict\n"
        "[mmcli.augmentations]\nimage.darken = tones_package.parts:darken\n"
        "[mmcli.estimators]\nnearest = tones_package.parts:Nearest\n"
    )
    return folder


AUTHOR = """
import sys
from mmcli.testing import (
    check_augmentation, check_encoder, check_estimator, check_extractor, check_fusion, check_task, use_plugins
)
use_plugins(sys.argv[1:])
check_augmentation("image", "darken")
check_estimator("nearest:sharpness=0.5")
check_extractor("image", "tone:gain=0.5")
check_encoder("image", "flat:dim=3")
check_fusion("halves")
check_task("verdict", ["cat", "dog", "ant", "cat", "cat", "dog"])
"""


def author(path):
    return subprocess.run([sys.executable, "-c", AUTHOR, path], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_contracts_that_authors_check_are_kept():
    done = author(FILE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((".astype(np.float32))", ")"), "output says float32, extract returns float64"),
        (("quarter.mean(axis=(2, 3))", "0 * quarter.mean(axis=(2, 3))"), "features of different rows are equal"),
        (
            ("torch.where(present[name].unsqueeze(1), features[name], 0.0)", "features[name]"),
            "nan in an absent modality affects the result",
        ),
        (("self.layer(", "0 * self.layer("), "features of different rows are equal"),
        (("len(images), 1, 1, 1,", "1, 1, 1, 1,"), "all rows of a batch are changed in the same way"),
        ((".to(images.dtype), *rest", ", *rest"), "shapes or types differ from those of the inputs"),
        (("self.sharpness * distances", "self.sharpness * distances / len(rows)"), "depend on other rows of the batch"),
    ],
)
def test_a_broken_class_fails_the_contract_tests(tmp_path, change, said):
    assert change[0] in FILE.read_text()
    (tmp_path / "broken.py").write_text(FILE.read_text().replace(*change))
    done = author(tmp_path / "broken.py")
    assert done.returncode == 1
    assert said in done.stderr


def test_records_name_the_file_and_its_hash(by_file):
    told = {"file": "tones.py", "sha256": hashlib.sha256(FILE.read_bytes()).hexdigest()}
    features = json.loads((by_file / "features/artifact.json").read_text())
    assert features["chain"][-1]["config"]["uses"]["picture"]["plugin"] == told
    assert "plugin" not in features["chain"][-1]["config"]["uses"]["words"]
    assert json.loads((by_file / "fused/artifact.json").read_text())["chain"][-1]["config"]["plugin"] == told
    model = json.loads((by_file / "model/artifact.json").read_text())
    assert model["parameters"]["plugins"] == {"fusion method halves": told, "task verdict": told}
    assert model["task"] == "verdict"
    assert len((by_file / "answers.jsonl").read_text().splitlines()) == 60


def test_predicting_names_the_file_again(by_file):
    """Neither the model nor the folder one stands in brings code along."""
    done = mmcli(by_file, "predict", "model", "table.csv")
    assert done.returncode == 1
    assert "tones.py" in done.stderr
    assert "--plugin tones.py" in done.stderr
    assert "Traceback" not in done.stderr
    assert mmcli(by_file, "verify", "model").returncode == 0, "what needs none of its code does without"


def test_a_file_that_has_changed_is_refused(by_file, tmp_path):
    (tmp_path / "tones.py").write_text(FILE.read_text() + "\n# changed\n")
    done = mmcli(by_file, "predict", "model", "table.csv", "--plugin", tmp_path / "tones.py")
    assert done.returncode == 1
    assert "came from tones.py with the SHA-256" in done.stderr


def test_a_file_may_have_another_name(by_file, tmp_path):
    shutil.copy(FILE, tmp_path / "renamed.py")
    found = succeed(by_file, "predict", "model", "table.csv", "--plugin", tmp_path / "renamed.py").stdout
    assert len(found.splitlines()) == 60


def test_a_changed_file_makes_its_features_again_and_no_others(by_file, tmp_path):
    shutil.copytree(by_file, tmp_path / "place")
    use = CHAIN[0]
    again = json.loads(succeed(tmp_path / "place", *use, "--plugin", "tones.py", "--json").stdout)
    assert again["computed"] == 0
    (tmp_path / "place/tones.py").write_text(FILE.read_text() + "\n# changed\n")
    changed = json.loads(succeed(tmp_path / "place", *use, "--plugin", "tones.py", "--json").stdout)
    assert changed["computed"] > 0
    assert changed["reused"] > 0


def test_an_installed_package_needs_no_naming(by_file, installed, tmp_path):
    folder = tmp_path / "place"
    shutil.copytree(by_file, folder, ignore=shutil.ignore_patterns("features", "fused", "model", "report", "tones.py"))
    path = [installed, ROOT]
    for command in CHAIN:
        succeed(folder, *command, path=path)
    told = {"package": "tones-package", "version": "1.0"}
    model = json.loads((folder / "model/artifact.json").read_text())
    assert model["parameters"]["plugins"] == {"fusion method halves": told, "task verdict": told}
    assert model["chain"][-1]["config"]["plugin"] == told
    listed = json.loads(succeed(folder, "list", "all", "--json", path=path).stdout)
    assert {"tone", "flat", "halves", "verdict"} <= {entry["name"] for entry in listed}
    assert (folder / "answers.jsonl").read_bytes() == (by_file / "answers.jsonl").read_bytes()
    done = mmcli(folder, "predict", "model", "table.csv", path=path[1:])
    assert done.returncode == 1
    assert "pip install tones-package" in done.stderr


def test_an_encoder_is_trained(by_file, tmp_path):
    shutil.copytree(by_file, tmp_path / "place", ignore=shutil.ignore_patterns("features", "fused", "model"))
    train = ("train", "samples", "-o", "model", "--encoder", "picture=flat:dim=4", "--modalities", "picture")
    succeed(tmp_path / "place", *train, "--epochs", "1", "--plugin", "tones.py")
    assert mmcli(tmp_path / "place", "predict", "model", "table.csv").returncode == 1
    succeed(tmp_path / "place", "predict", "model", "table.csv", "--plugin", "tones.py")


def test_an_augmentation_is_of_use_in_training_alone(by_file, tmp_path):
    shutil.copytree(by_file, tmp_path / "place", ignore=shutil.ignore_patterns("features", "fused", "model"))
    train = (
        "train", "samples", "-o", "model", "--encoder", "picture=cnn", "--modalities", "picture", "--epochs", "1",
        "--augment", "picture=darken",
    )  # fmt: skip
    missing = mmcli(tmp_path / "place", *train)
    assert missing.returncode == 2
    assert "unknown augmentation for image 'darken'" in missing.stderr
    succeed(tmp_path / "place", *train, "--plugin", "tones.py")
    model = json.loads((tmp_path / "place/model/artifact.json").read_text())
    digest = hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert model["parameters"]["plugins"] == {"augmentation image.darken": {"file": "tones.py", "sha256": digest}}
    succeed(tmp_path / "place", "predict", "model", "table.csv")


def test_an_estimator_is_trained(by_file, installed, tmp_path):
    folder = tmp_path / "place"
    shutil.copytree(by_file, folder, ignore=shutil.ignore_patterns("fused", "model"))
    succeed(folder, "fuse", "features", "-o", "fused", "--method", "concat", "--plugin", "tones.py")
    train = ("train", "fused", "-o", "model", "--model", "sklearn:nearest:sharpness=0.1")
    missing = mmcli(folder, *train, "--plugin", "tones.py", "--task", "clustering")
    assert missing.returncode == 2
    assert "predicts classes, but this task needs clusters" in missing.stderr
    succeed(folder, *train, "--plugin", "tones.py")
    answers = succeed(folder, "predict", "model", "table.csv", "--plugin", "tones.py").stdout
    assert len(answers.splitlines()) == 60
    done = mmcli(folder, "predict", "model", "table.csv")
    assert done.returncode == 1
    assert "--plugin tones.py" in done.stderr
    listed = json.loads(succeed(folder, "list", "models", "--json", "--plugin", "tones.py").stdout)
    assert {"name": "sklearn:nearest", "kind": "classification"}.items() <= next(
        entry for entry in listed if entry["name"] == "sklearn:nearest"
    ).items()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1\n", "no MMCLI"),
        ("MMCLI = {}\n", "no MMCLI"),
        ("MMCLI = {'extractor': {}}\n", "has 'extractor', expected extractors"),
        ("MMCLI = {'extractors': {'tone': int}}\n", "extractors 'tone': expected KIND.NAME"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError"),
        ("class Sum: ...\nMMCLI = {'fusion': {'sum': Sum}}\n", "fusion method 'sum' is one of mmcli's own"),
        (None, "No such file"),
    ],
)
def test_invalid_plugins_are_refused_in_one_line(tmp_path, content, said):
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    done = mmcli(tmp_path, "list", "fusion", "--plugin", "mine.py")
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
