"""Files of weights whose instructions or header are damaged."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch

from mmcli.errors import MmcliError
from mmcli.models.weights import read_weights


@pytest.mark.parametrize(
    "instructions",
    [b"\x80\x02.", b"\x80\x02q\x00.", b"\x80\x02X\xff\xff\xff\x7fa.", b"\x80\x02K\x01s.", b"\x80\x02}q\x00K\x01a.",
     b"\x80\x02h\x09.", b"\x80\x02(t\x85.", b"", b"\x80\x02ctorch\nfloat32\n.", b"\x80\x02K\x01K\x02R."],
)  # fmt: skip
def test_invalid_state_dicts_are_refused_in_one_line(tmp_path, instructions):
    stream = io.BytesIO()
    torch.save({"w": torch.ones(2)}, stream)
    with zipfile.ZipFile(stream) as before, zipfile.ZipFile(tmp_path / "w.pth", "w") as after:
        for name in before.namelist():
            after.writestr(name, instructions if name.endswith("data.pkl") else before.read(name))
    with pytest.raises(MmcliError, match=r"w\.pth: "):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x02" + bytes(7) + b"{}x", b"\x80\x02", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_invalid_weight_files_are_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MmcliError, match=name):
        read_weights(tmp_path / name)
