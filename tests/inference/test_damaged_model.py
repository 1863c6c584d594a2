"""A model whose files are not what train wrote: one line that names the file, before anything is built from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmcli.errors import MmcliError
from mmcli.stages.predict import predict
from mmcli.store.artifact import TransformRecord
from mmcli.store.header import header_digest
from mmcli.store.state import State
from mmcli.training.fit import checkpoint_before


@pytest.fixture
def model(chain, tmp_path):
    return shutil.copytree(chain / "model", tmp_path / "model")


def ask(model: Path, chain: Path) -> list:
    return list(predict(model, str(chain / "table.csv"), device="cpu", limit=2))


def test_a_copy_answers_as_the_model_does(model, chain):
    assert ask(model, chain) == ask(chain / "model", chain)


@pytest.mark.parametrize(
    "name", ["network.safetensors", "state/task.json", "state/preprocess-*/words.json", "state/fuse-*/*.safetensors"]
)
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_file_is_named(model, chain, name, damage):
    file = next(model.glob(name))
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        content[-3] ^= 1
        file.write_bytes(content if damage == "changed" else content[:-4])
    with pytest.raises(MmcliError, match=file.stem):
        ask(model, chain)


def mend(header: dict) -> None:
    """Make the hashes those of what the header says."""
    for record in header["chain"]:
        made = TransformRecord(record["stage"], record["version"], record["config"], record["states"])
        record["fingerprint"] = made.fingerprint
    header["digest"] = header_digest(header)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (0, lambda config: config.clear()),
        (0, lambda config: config["modalities"]["picture"]["config"].update(size="x")),
        (0, lambda config: config["modalities"]["picture"].update(kind="../x")),
        (1, lambda config: config.update(uses=[])),
        (1, lambda config: next(iter(config["uses"].values())).update(places="x")),
        (2, lambda config: config.update(inputs={"a": 1})),
    ],
)
def test_a_record_that_no_transform_wrote(model, chain, place, change):
    header = json.loads((model / "artifact.json").read_text())
    before = [TransformRecord(*(part[name] for name in ("stage", "version", "config", "states"))).folder
              for part in header["chain"]]  # fmt: skip
    change(header["chain"][place]["config"])
    mend(header)
    (model / "artifact.json").write_text(json.dumps(header))
    for old, record in zip(before, header["chain"], strict=True):
        (model / "state" / old).rename(model / "state" / f"{record['stage']}-{record['fingerprint'][:12]}")
    with pytest.raises(MmcliError, match="make the artifact again"):
        ask(model, chain)


def test_a_chain_that_makes_something_else_than_the_model_was_trained_on(model, chain):
    header = json.loads((model / "artifact.json").read_text())
    name = next(name for name in header["modalities"] if name.startswith("picture"))
    header["modalities"][name]["fingerprint"] = "ab" * 32
    mend(header)
    (model / "artifact.json").write_text(json.dumps(header))
    with pytest.raises(MmcliError, match=f"does not reproduce '{name}'"):
        ask(model, chain)


def test_a_network_larger_than_its_weights_is_refused_before_it_takes_memory(model, chain):
    header = json.loads((model / "artifact.json").read_text())
    header["network"]["hidden"] = [2**20] * 3
    mend(header)
    (model / "artifact.json").write_text(json.dumps(header))
    with pytest.raises(MmcliError, match=r"network\.safetensors: the state dict lacks"):
        ask(model, chain)


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_damaged_checkpoint_is_none(tmp_path, suffix):
    import torch

    from mmcli.loop import Checkpoint, Epoch

    epoch = Epoch(1, 0.1, 0.5, {"loss": 0.5}, True)
    state = Checkpoint({"w": torch.ones(2)}, {"w": torch.ones(2)}, {}, (epoch,)).to_state()
    stem = tmp_path / "checkpoint" / "00001"
    State({**state.values, "request": "x", "digest": state.digest()}, state.tensors).write(stem)
    writer = SimpleNamespace(resumed=tmp_path)
    found = checkpoint_before(writer, None, "x")
    assert found is not None
    assert found.checkpoint.history == (epoch,)
    assert checkpoint_before(writer, None, "y") is None
    file = stem.with_name(stem.name + suffix)
    content = file.read_bytes()
    changed = content.replace(b"0.5", b"0.6") if suffix == ".json" else content[:-1] + b"\x01"
    assert changed != content
    for damaged in (changed, b"{}", b"[]", content[:-2]):
        file.write_bytes(damaged)
        assert checkpoint_before(writer, None, "x") is None


def test_a_network_of_a_later_mmcli(model, chain):
    header = json.loads((model / "artifact.json").read_text())
    header["network"]["colour"] = "red"
    mend(header)
    (model / "artifact.json").write_text(json.dumps(header))
    with pytest.raises(MmcliError, match="network has colour, unknown to this version of mmcli"):
        ask(model, chain)
