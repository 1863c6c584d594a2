"""Limits are options of preprocess, and a model keeps them."""

import json

import numpy as np
import pytest
from PIL import Image

from mmcli.chain.chain import Chain
from mmcli.errors import MmcliError
from mmcli.modalities.files import MediaFolder
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact


@pytest.fixture
def table(tmp_path):
    """Two rows: a small picture and array, and larger ones of the same form."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.new("RGB", (64, 64)).save(tmp_path / "small.png")
    Image.fromarray(noise).save(tmp_path / "large.png")
    np.savez_compressed(tmp_path / "small.npz", np.zeros((10, 2)))
    np.savez_compressed(tmp_path / "large.npz", np.zeros((1000, 2)))
    rows = [
        {"id": name, "split": split, "photo": f"{name}.png", "features": f"{name}.npz"}
        for name, split in (("small", "train"), ("large", "val"))
    ]
    path = tmp_path / "table.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


FLAGS = {"image": ["photo"], "tensor": ["features"], "image_size": 8}
LARGER = [
    ("large", "photo", "skipped", "larger than 4000 bytes: --max-bytes"),
    ("large", "features", "skipped", "an array larger than 4000 bytes: --max-bytes"),
]


def problems(folder):
    return [(entry.id, entry.modality, entry.status, entry.reason) for entry in Artifact(folder).ledger()]


def test_larger_files_and_arrays_are_skipped_and_so_they_are_by_what_is_made_like_it(table, tmp_path):
    preprocess(str(table), tmp_path / "all", **FLAGS)
    assert problems(tmp_path / "all") == []
    preprocess(str(table), tmp_path / "limited", max_bytes=4000, **FLAGS)
    assert problems(tmp_path / "limited") == LARGER
    preprocess(str(table), tmp_path / "like", like=tmp_path / "limited")
    assert problems(tmp_path / "like") == LARGER
    chain = Chain(Artifact(tmp_path / "limited"), MediaFolder(str(tmp_path)), "id")
    assert chain.transforms[0].media.max_bytes == 4000


def test_a_larger_limit_is_kept_too(table, tmp_path):
    preprocess(str(table), tmp_path / "all", max_bytes=2**33, **FLAGS)
    assert Chain(Artifact(tmp_path / "all"), MediaFolder("/"), "id").transforms[0].media.max_bytes == 2**33


def test_limits_that_contradict_each_other_are_one_line(table, tmp_path):
    with pytest.raises(MmcliError, match=r"--max-decode-seconds 5\.0: expected --max-seconds, 10, or more"):
        preprocess(str(table), tmp_path / "out", audio=["photo"], max_decode_seconds=5.0)


def test_limits_are_flags(mmcli, table, tmp_path):
    flags = ("--image", "photo", "--tensor", "features", "--max-bytes", 4000, "--max-decode-seconds", 20)
    assert mmcli("preprocess", table, "-o", tmp_path / "out", *flags).code == 0
    assert problems(tmp_path / "out") == LARGER
