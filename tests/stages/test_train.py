"""train: what is learnt from, what is kept, and what an interrupt leaves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mmcli.errors import MmcliError, StoppedError, UsageError
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.training import fit as training_run


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


class CtrlC:
    """A reporter whose progress raises KeyboardInterrupt after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs + 1  # the first step tells how many epochs an earlier run did

    def note(self, text): ...

    def warn(self, text): ...

    def progress(self, label, total):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *details):
        return None

    def advance(self, steps=1, note=""):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_ctrl_c_keeps_the_best_so_far_and_the_same_command_goes_on(chain, tmp_path):
    source = str(chain / "fused")
    train(source, tmp_path / "whole", epochs=12, patience=0)
    with pytest.raises(StoppedError, match=r"stopped after epoch 5 of 12.*run the same command to continue") as stopped:
        train(source, tmp_path / "model", epochs=12, patience=0, reporter=CtrlC(4))
    assert stopped.value.exit_code == 130
    model = Artifact(tmp_path / "model")
    assert model.header["stopped"] is True
    history = json.loads((tmp_path / "model" / "history.json").read_text())
    assert len(history["epochs"]) == 5
    values = [epoch["values"]["log_loss"] for epoch in history["epochs"]]
    assert history["best"] == 1 + values.index(min(values))
    train(source, tmp_path / "model", epochs=12, patience=0)
    assert digests(tmp_path / "model") == digests(tmp_path / "whole")


def test_the_best_epoch_is_kept_not_the_last(chain, tmp_path, monkeypatch):
    """The weights are those a run of just that many epochs at the same rates would end with."""
    source = str(chain / "fused")
    options = {"schedule": "constant", "lr": 0.05, "patience": 0}
    train(source, tmp_path / "long", epochs=15, **options)
    best = json.loads((tmp_path / "long" / "history.json").read_text())["best"]
    train(source, tmp_path / "short", epochs=best, **options)
    weights = [digests(tmp_path / name)["network.safetensors"] for name in ("long", "short")]
    assert weights[0] == weights[1]


def test_seeds_differ_and_repeat(chain, tmp_path):
    found = []
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        train(str(chain / "features"), tmp_path / name, epochs=2, seed=seed)
        found.append(digests(tmp_path / name)["network.safetensors"])
    assert found[0] == found[1] != found[2]


def test_features_without_a_fuse_stage_are_what_fuse_makes_of_them(chain, tmp_path):
    train(str(chain / "features"), tmp_path / "model", method="gated", epochs=15)
    direct, staged = (digests(folder)["network.safetensors"] for folder in (tmp_path / "model", chain / "model"))
    assert direct == staged
    assert [record.stage for record in Artifact(tmp_path / "model").chain] == ["preprocess", "extract-features", "fuse"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "labl"}, MmcliError, "no column 'labl'"),
        ({"hidden": "wide"}, UsageError, "--hidden wide"),
        ({"method": "mean"}, UsageError, "was fused with --method gated"),
        ({"lr": -1.0}, MmcliError, "lr must be above 0"),
        ({"task": "clasification"}, MmcliError, "did you mean 'classification'"),
        ({"target": "id"}, MmcliError, "no val row has a .id. that occurs in a train row"),
    ],
)
def test_invalid_training_is_refused_with_the_reason(chain, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        train(str(chain / "fused"), tmp_path / "model", epochs=2, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_request_is_not_taken_up(chain, tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "_CHECKPOINT_SECONDS", 0)
    with pytest.raises(StoppedError):
        train(str(chain / "fused"), tmp_path / "model", epochs=12, patience=0, reporter=CtrlC(4))
    train(str(chain / "fused"), tmp_path / "model", epochs=6, patience=0)
    train(str(chain / "fused"), tmp_path / "anew", epochs=6, patience=0)
    assert digests(tmp_path / "model") == digests(tmp_path / "anew")


@pytest.mark.gpu
def test_on_a_gpu_deterministic_training_gives_the_same_bits(chain, tmp_path):
    for name in ("first", "second"):
        train(str(chain / "fused"), tmp_path / name, epochs=5, device="cuda", deterministic=True)
    assert (tmp_path / "first/network.safetensors").read_bytes() == (
        tmp_path / "second/network.safetensors"
    ).read_bytes()
