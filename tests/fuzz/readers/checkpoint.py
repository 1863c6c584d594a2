"""The checkpoint that an interrupted training left, read and gone on from."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn

from mmcli.loop import Checkpoint, TrainingOptions, fit
from mmcli.store.state import State
from mmcli.training.fit import checkpoint_before
from tests.fuzz.guard import Case, Reader
from tests.fuzz.mutation import damaged_json, damaged_safetensors

REQUEST = "ab" * 32


def make(folder: Path) -> Reader:
    """A network of one hidden layer after two of three epochs."""
    inputs = torch.arange(12.0).reshape(4, 3) / 10
    targets = torch.tensor([0, 1, 0, 1])

    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

    def run(epochs: int, checkpoint: Checkpoint | None) -> Checkpoint:
        kept: list[Checkpoint] = []
        fit(
            network(),
            lambda generator: [(inputs, targets)],
            lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
            lambda model: {"loss": float(nn.functional.cross_entropy(model(inputs), targets))},
            TrainingOptions(epochs=epochs, patience=None),
            on_epoch=lambda epoch, now: kept.append(now),
            checkpoint=checkpoint,
        )
        return kept[-1] if kept else checkpoint

    state = run(2, None).to_state()
    stem = folder / "resume" / "checkpoint" / "00002"
    State({**state.values, "request": REQUEST, "digest": state.digest()}, state.tensors).write(stem)
    files = {suffix: stem.with_name(stem.name + suffix).read_bytes() for suffix in (".json", ".safetensors")}
    writer: Any = SimpleNamespace(resumed=folder / "resume")
    whole = checkpoint_before(writer, None, REQUEST)
    assert whole is not None
    assert len(run(3, whole.checkpoint).history) == 3

    def read(case: Case) -> None:
        path = stem.with_name(stem.name + case.name)
        (folder / "damaged").write_bytes(case.content)
        os.replace(folder / "damaged", path)
        try:
            found = checkpoint_before(writer, None, REQUEST)
            if found is not None:
                run(3, found.checkpoint)
        finally:
            (folder / "damaged").write_bytes(files[case.name])
            os.replace(folder / "damaged", path)

    return Reader(_cases(files), read)


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(sorted(files)))
    return Case(name, draw((damaged_json if name == ".json" else damaged_safetensors)(files[name])))
