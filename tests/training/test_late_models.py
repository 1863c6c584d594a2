"""train, evaluate and predict with late methods, end to end, interrupted or not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss

from mmcli.errors import StoppedError
from mmcli.inference.model import TrainedModel
from mmcli.reporting import Silent
from mmcli.stages.evaluate import evaluate
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.stages.test_train import CtrlC, digests

QUICK = {"epochs": 4, "patience": 0, "lr": 5e-3}


@pytest.fixture(scope="module")
def stacked(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("late")
    fuse([str(chain / "features")], folder / "fused", method="stacking")
    train(str(folder / "fused"), folder / "model", **QUICK)
    return folder


def test_fuse_train_evaluate_predict(stacked, chain):
    assert "fused" not in Artifact(stacked / "fused").modalities
    report = evaluate(stacked / "model", str(stacked / "fused")).metrics
    assert report["metrics"]["accuracy"] > 0.9
    assert {"picture", "words", "table"} <= set(report["subsets"])
    rows = [row for group in predict(stacked / "model", str(chain / "table.csv")) for row in group]
    assert len(rows) == 60
    assert np.isfinite([list(row["probabilities"].values()) for row in rows]).all()


def test_a_subset_of_one_modality_is_what_its_head_says(chain, tmp_path):
    train(str(chain / "features"), tmp_path / "model", method="late_mean", epochs=5)
    report = evaluate(tmp_path / "model", str(chain / "features"), split="all").metrics
    model, fused = TrainedModel(tmp_path / "model"), Artifact(chain / "fused")
    labels = [row["label"] for row in fused.rows]
    for source in model.sources:
        predicted, there = 0, 0
        for place, name in enumerate(model.names):
            if model.source_of[name] == source:
                column = fused.take(name, np.arange(len(labels)))
                with torch.no_grad():
                    outputs = model.network.fusion.heads[place](torch.from_numpy(np.array(column.main.values)))
                predicted = predicted + softmax(outputs.double().numpy(), axis=1) * column.present[:, None]
                there = there + column.present[:, None]
        predicted = np.where(there > 0, predicted / np.maximum(there, 1), model.task.prior())
        expected = log_loss(labels, predicted, labels=model.task.classes)
        assert report["subsets"][source]["log_loss"] == pytest.approx(expected, rel=1e-5)


def test_the_same_command_gives_the_same_bytes_interrupted_or_not(stacked, tmp_path):
    source = str(stacked / "fused")

    class Later(CtrlC):
        """Raises within the last training alone."""

        def progress(self, label, total):
            self.left = 3 if label == "train" else 10**6
            return self

    with pytest.raises(StoppedError):
        train(source, tmp_path / "model", reporter=Later(0), **QUICK)
    heard = []
    reporter = Silent()
    reporter.note = heard.append
    train(source, tmp_path / "model", reporter=reporter, **QUICK)
    assert not any("parts of the train rows" in text for text in heard)
    assert digests(tmp_path / "model") == digests(stacked / "model")


@pytest.mark.parametrize("damage", [False, True])
def test_folds_that_were_done_are_not_done_again(stacked, tmp_path, damage):
    source, labels = str(stacked / "fused"), []

    class Listening(CtrlC):
        def progress(self, label, total):
            labels.append(label)
            return self

    with pytest.raises(KeyboardInterrupt):  # in the third fold
        train(source, tmp_path / "model", reporter=Listening(2 * 4 + 1), **QUICK)
    assert labels == [f"train, fold {fold} of 5" for fold in (1, 2, 3)]
    if damage:
        file = sorted(tmp_path.rglob("folds/*.safetensors"))[0]
        file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    labels.clear()
    train(source, tmp_path / "model", reporter=Listening(10**6), **QUICK)
    again = (1, 3, 4, 5) if damage else (3, 4, 5)
    assert labels == [*(f"train, fold {fold} of 5" for fold in again), "train"]
    assert digests(tmp_path / "model") == digests(stacked / "model")
    labels.clear()
    train(source, tmp_path / "other", reporter=Listening(10**6), seed=1, **QUICK)
    assert len(labels) == 6


def test_encoders_train_beside_each_other(chain, tmp_path):
    encoders = ["picture=cnn:width=4,depth=2,dim=8", "words=embedding:dim=8", "table=mlp:dim=8"]
    heard = []
    reporter = Silent()
    reporter.note = heard.append
    train(str(chain / "samples"), tmp_path / "model", method="late_weighted", encoder=encoders, epochs=3, patience=0,
          batch_size=16, modality_dropout=0.3, reporter=reporter)  # fmt: skip
    assert any("late_weighted: training on 5 parts of the train rows" in text for text in heard)
    rows = [row for group in predict(tmp_path / "model", str(chain / "table.csv")) for row in group]
    assert len(rows) == 60
    assert json.loads(Path(tmp_path / "model/artifact.json").read_text())["network"]["modality_dropout"] == 0.3
