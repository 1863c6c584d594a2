"""Files of weights: .safetensors and .pth, fitted to a network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from mmcli.models.weights import fit_weights, read_weights
from tests.fuzz.guard import Case, Reader
from tests.fuzz.mutation import damaged_bytes, damaged_safetensors, damaged_zip


def make(folder: Path) -> Reader:
    """The state of a small network, in each form."""
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    state = dict(module.state_dict())
    files = {"a.safetensors": save(state)}
    for name, packed in (("a.pth", True), ("b.pth", False)):
        stream = io.BytesIO()
        torch.save(state, stream, _use_new_zipfile_serialization=packed)
        files[name] = stream.getvalue()

    def read(case: Case) -> None:
        path = folder / case.name
        path.unlink(missing_ok=True)
        path.write_bytes(case.content)
        fit_weights(module, read_weights(path), path)

    return Reader(_cases(files), read)


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(sorted(files)))
    if name == "a.safetensors":
        return Case(name, draw(damaged_safetensors(files[name])))
    return Case(name, draw(damaged_zip(files[name]) if name == "a.pth" else damaged_bytes(files[name])))
