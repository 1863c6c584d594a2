"""Whole runs on a GPU: what repeats to the bit, what a CPU makes of the model, what is said where a GPU fails."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmcli.errors import MmcliError, StoppedError
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.conftest import make_table, write_csv
from tests.heard import Heard
from tests.stages.test_train import CtrlC

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
TAGS = {"red": "warm|loud", "green": "cool|calm", "blue": "cool"}
PRICES = {"red": 1.0, "green": 3.0, "blue": 5.0}
TASKS = {
    "classification": ("classification", "label"),
    "focal": ("classification:loss=focal,label_smoothing=0.1", "label"),
    "ordinal": ("ordinal:order=red|green|blue", "label"),
    "regression": ("regression", "price"),
    "quantile": ("regression:loss=quantile", "price"),
    "multilabel": ("multilabel:loss=asymmetric", "tags"),
    "captioning": ("captioning:separator=bar,min_count=1,width=32,layers=1,heads=2,beam=2,max_length=6", "tags"),
    "several": ("auto", ["label", "price"]),
}
SCRATCH = ["picture=cnn:width=8,depth=2,dim=16", "words=lstm:dim=8", "table=ft_transformer:dim=8,layers=1"]
POOLED = """
import torch
from mmcli.encoders.scratch.cnn import Cnn

class Pooled(Cnn):
    kinds = ("image",)
    version = 1
    origin = ""
    licence = ""

    def forward(self, values):
        found = super().forward(values)
        return torch.nn.functional.adaptive_avg_pool2d(found[:, None, None], (1, found.shape[1]))[:, 0, 0]

MMCLI = {"encoders": {"pooled": Pooled}}
"""
QUICK = {"epochs": 3, "patience": 0, "device": DEVICE}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The small table with a target for every task, its samples, those without words, and features."""
    folder = tmp_path_factory.mktemp("gpu")
    make_table(folder)
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    random = np.random.default_rng(0)
    for row in rows:
        row["price"] = f"{PRICES[row['label']] + random.normal(0, 0.1):.3f}"
        row["tags"] = TAGS[row["label"]]
    write_csv(folder / "table.csv", rows)
    preprocess(
        str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], numeric=["size"],
        target="label", image_size=32,
    )  # fmt: skip
    preprocess(
        str(folder / "table.csv"), folder / "no_words", image=["picture"], numeric=["size"], target="label",
        image_size=32,
    )  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features", device="cpu")
    return folder


def weights(folder: Path) -> bytes:
    return (folder / "network.safetensors").read_bytes()


def answers(model: Path, source: Path, device: str) -> list[dict]:
    return [row for rows in predict(model, str(source), device=device) for row in rows]


def numbers(value) -> list[float]:
    """Every number in an answer, in order."""
    if isinstance(value, dict):
        return [number for name in value for number in numbers(value[name])]
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [float(value)] if isinstance(value, int | float) else []


def compare_devices(model: Path, source: Path, tolerance: float) -> None:
    """The same model answers on both devices alike."""
    cpu, gpu = (answers(model, source, device) for device in ("cpu", DEVICE))
    assert cpu
    np.testing.assert_allclose(numbers(gpu), numbers(cpu), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_learnt_to_the_same_bits_and_answered_by_a_cpu(place, tmp_path, name):
    task, target = TASKS[name]
    for run in ("first", "again"):
        train(str(place / "features"), tmp_path / run, task=task, target=target, deterministic=True, **QUICK)
    assert weights(tmp_path / "first") == weights(tmp_path / "again")
    run = json.loads((tmp_path / "first" / "run.json").read_text())
    assert run["device"] == f"{DEVICE} ({torch.cuda.get_device_name()})"
    compare_devices(tmp_path / "first", place / "features", 1e-4)
    for report in ("report", "other"):
        evaluate(
            tmp_path / "first", str(place / "features"), tmp_path / report, device=DEVICE, deterministic=True
        )  # fmt: skip
    assert Artifact(tmp_path / "report").digest == Artifact(tmp_path / "other").digest


@pytest.mark.parametrize("method", ["stacking", "late_weighted", "contrastive:dim=8", "bottleneck:dim=8", "tensor"])
def test_a_fusion_method_is_learnt_to_the_same_bits(place, tmp_path, method):
    for run in ("first", "again"):
        train(str(place / "features"), tmp_path / run, method=method, deterministic=True, **QUICK)
    assert weights(tmp_path / "first") == weights(tmp_path / "again")
    compare_devices(tmp_path / "first", place / "features", 1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"encoder": SCRATCH, "augment": ["auto"], "modality_dropout": 0.2},
        {"encoder": SCRATCH[::2], "augment": ["picture=mixup,rand_augment"], "precision": "float32"},
        {"encoder": ["picture=resnet18:weights=none", *SCRATCH[1:]], "method": "cross_attention:dim=8"},
        {"encoder": SCRATCH, "task": TASKS["captioning"][0], "target": "tags"},
        {"encoder": SCRATCH, "sampling": "over", "class_weights": "balanced", "pooling": "attention", "folds": 2},
    ],
)
def test_encoders_are_learnt_to_the_same_bits_and_a_stopped_run_goes_on(place, tmp_path, options):
    source = place / ("samples" if len(options["encoder"]) == len(SCRATCH) else "no_words")
    options = {**options, **QUICK, "deterministic": True, "batch_size": 16}
    train(str(source), tmp_path / "whole", **options)
    if "folds" not in options:
        with pytest.raises(StoppedError):
            train(str(source), tmp_path / "model", reporter=CtrlC(1), **options)
    train(str(source), tmp_path / "model", **options)
    assert weights(tmp_path / "whole") == weights(tmp_path / "model")
    compare_devices(tmp_path / "whole", source, 0.02)


def test_features_repeat_and_raw_rows_get_those_of_the_stored(place, tmp_path):
    use = ["picture=resnet18:weights=none", "words=tfidf", "table=identity"]
    for name in ("first", "again"):
        extract_features(str(place / "samples"), tmp_path / name, use=use, device=DEVICE, deterministic=True)
    assert Artifact(tmp_path / "first").digest == Artifact(tmp_path / "again").digest
    train(str(tmp_path / "first"), tmp_path / "model", **QUICK)
    raw, stored = (
        numbers(answers(tmp_path / "model", source, DEVICE)) for source in (place / "table.csv", tmp_path / "first")
    )
    np.testing.assert_allclose(raw, stored, atol=1e-5)
    compare_devices(tmp_path / "model", place / "table.csv", 0.05)


def test_a_compiled_network_gives_nearly_the_same(place, tmp_path):
    found = []
    for compiled in (False, True):
        folder = tmp_path / f"{compiled}"
        use = ["picture=resnet18:weights=none"]
        extract_features(
            str(place / "samples"), folder, use=use, device=DEVICE, precision="float32", compile=compiled
        )  # fmt: skip
        artifact = Artifact(folder)
        found.append(artifact.take("picture", np.arange(len(artifact))).main.values)
    np.testing.assert_allclose(*found, rtol=0, atol=0.01 * np.abs(found[0]).max())


def test_an_operation_without_a_deterministic_algorithm_is_refused_in_one_line(place, tmp_path, mmcli):
    (tmp_path / "pooled.py").write_text(POOLED)
    found = mmcli(
        "train", place / "no_words", "-o", "model", "--encoder", "picture=pooled", "--plugin", "pooled.py",
        "--modalities", "picture", "--epochs", "1", "--device", DEVICE, "--deterministic",
    )  # fmt: skip
    assert found.code == 1
    [line] = [line for line in found.err.splitlines() if "error" in line]
    assert "--deterministic: adaptive_avg_pool2d_backward_cuda has no deterministic algorithm on a GPU" in line
    assert "Traceback" not in found.err


@pytest.fixture
def little_memory():
    """Lets torch have so many bytes of the GPU's memory and no more."""

    def limit(size):
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(size / torch.cuda.mem_get_info()[1])

    yield limit
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_where_the_memory_is_too_small_for_training_fewer_rows_are_taken(place, tmp_path, little_memory):
    options = {"encoder": ["picture=cnn:width=128,depth=2,dim=16"], "modalities": ["picture"], "precision": "float32"}
    torch.cuda.reset_peak_memory_stats()
    train(str(place / "samples"), tmp_path / "ample", **options, **QUICK)
    assert Artifact(tmp_path / "ample").header["batch_size"] == 64
    little_memory(int(0.6 * torch.cuda.max_memory_allocated()))
    with pytest.raises(MmcliError, match=r"does not hold a batch of 36 rows in training; try --batch-size 18"):
        train(str(place / "samples"), tmp_path / "asked", batch_size=36, **options, **QUICK)
    heard = Heard()
    train(str(place / "samples"), tmp_path / "auto", reporter=heard, **options, **QUICK)
    assert Artifact(tmp_path / "auto").header["batch_size"] < 64
    assert "do not fit in memory (--batch-size chooses)" in heard.notes[-1]


def test_where_the_memory_is_too_small_for_a_frozen_network_it_says_what_to_try(place, tmp_path, little_memory):
    options = {"use": ["picture=resnet50:weights=none"], "device": DEVICE, "precision": "float32", "batch_size": 8192}
    little_memory(2**29)
    with pytest.raises(MmcliError, match=r"its memory does not hold a batch of 8192 rows; try --batch-size 4096"):
        extract_features(str(place / "samples"), tmp_path / "features", **options)
