"""Damaged files that fuzzing found the readers not to expect."""

from __future__ import annotations

import gzip
import io
import struct

import numpy as np
import pytest

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.audio import Preprocessor as Audio
from mmcli.modalities.tensor import Preprocessor as Tensor
from mmcli.modalities.vector_file import open_vectors


def test_a_sound_of_more_than_eight_channels_is_their_mean():
    """Its block size is wrong, so that libsndfile leaves it to FFmpeg, whose planes crashed the process."""
    channels, values = 17, np.random.default_rng(0).uniform(-0.5, 0.5, (400, 17)).astype("<f4")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, channels, 16000, 64000, 4, 32)
    body = b"WAVE" + form + b"data" + struct.pack("<I", values.nbytes) + values.tobytes()
    content = b"RIFF" + struct.pack("<I", len(body)) + body
    found = Audio(("a",), sample_rate=16000).decode(content)[""]
    assert np.abs(found / 32768 - values.mean(axis=1)).max() < 1e-4


@pytest.mark.parametrize(
    "header",
    [b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,", b"{'descr': 3, 'fortran_order': 0, 'shape': (3,)}",
     b"('", b"{'descr': 'O', 'fortran_order': False, 'shape': (3,)}",
     b"{'descr': '<f8', 'fortran_order': False, 'shape': (3" + b"9" * 30 + b",)}"],
)  # fmt: skip
def test_an_array_for_all_rows_with_a_damaged_header(tmp_path, header):
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    body = stream.getvalue()[128:]
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body)
    with pytest.raises(MmcliError, match=r"a\.npy"):
        Tensor((), array=str(tmp_path / "a.npy")).content({"row": 0}, None)


@pytest.mark.parametrize("shape", ["(4, True)", "(-1,)", "(-1, -3)"])
def test_an_array_of_no_shape(shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(32)
    with pytest.raises(UnusableError, match=r"damaged \.npy header"):
        Tensor(("a",)).decode(content)


def test_packed_word_vectors_that_are_damaged_inside(tmp_path):
    packed = bytearray(gzip.compress(b"red 1 2\nsea 3 4\n"))
    packed[10] ^= 0b110  # the kind of the first block is one that does not exist
    (tmp_path / "words.gz").write_bytes(packed)
    with pytest.raises(MmcliError, match=r"words\.gz, line 1: cannot be read"):
        open_vectors(str(tmp_path / "words.gz"))
