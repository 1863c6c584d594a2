"""Forms that a file of features may take (kind tensor), and damage done to it."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import torch

from tests.forms.form import Form

NUMBERS = (1.5, -2.0, 3.0)
VECTOR = np.array(NUMBERS, np.float32)
STEPS = np.array([[1.5, -2.0, 3.0], [4.0, 5.25, -6.0]], np.float32)
MAP = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def holds(expected):
    def right(values):
        assert values[""].dtype == np.float32
        assert values[""].tolist() == np.asarray(expected).tolist()

    return right


def ok(name, content, right=None, means="", suffix="", **options) -> Form:
    return Form(name, content, suffix, right=right or holds(NUMBERS), means=means, options=options)


def bad(name, content, reason, status="corrupt", **options) -> Form:
    return Form(name, content, status=status, reason=reason, options=options)


def written(save, *arguments, **options) -> bytes:
    stream = io.BytesIO()
    save(stream, *arguments, **options)
    return stream.getvalue()


def npy(array) -> bytes:
    return written(np.save, np.asarray(array))


def npz(save=np.savez, **arrays) -> bytes:
    return written(save, **arrays)


def pt(value, **options) -> bytes:
    return written(lambda stream: torch.save(value, stream, **options))


def safetensors(data: bytes = b"", **arrays) -> bytes:
    """A .safetensors file written by hand: (type, shape, start, end) of each array, then the data."""
    header = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        for name, (dtype, shape, start, end) in arrays.items()
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def packed(dtype: str) -> bytes:
    return np.array(NUMBERS).astype(dtype).tobytes()


BF16 = struct.pack("<3H", 0x3FC0, 0xC000, 0x4040)
"""1.5, -2 and 3: a sign, eight bits of exponent and seven of fraction."""
VECTORS = [
    ok("npy, float32", lambda: npy(VECTOR), suffix=".npy"),
    *(ok(f"npy, {dtype}", lambda dtype=dtype: npy(np.array([3, 0, 1], dtype)), holds([3.0, 0.0, 1.0]))
      for dtype in ("float16", "float64", "int8", "int64", "uint16")),
    ok("npy, bool", lambda: npy([True, False, True]), holds([1.0, 0.0, 1.0])),
    ok("npy, big-endian", lambda: npy(VECTOR.astype(">f8"))),
    ok("npz, one array", lambda: npz(features=VECTOR), suffix=".npz"),
    ok("npz, compressed", lambda: npz(np.savez_compressed, x=VECTOR)),
    ok("safetensors, float32", lambda: safetensors(packed("<f4"), x=("F32", [3], 0, 12)), suffix=".safetensors"),
    ok("safetensors, float16", lambda: safetensors(packed("<f2"), x=("F16", [3], 0, 6))),
    ok("safetensors, bfloat16", lambda: safetensors(BF16, x=("BF16", [3], 0, 6))),
    ok("pt, a tensor", lambda: pt(torch.tensor(NUMBERS)), suffix=".pt"),
    ok("pt, a tensor, bfloat16", lambda: pt(torch.tensor(NUMBERS).bfloat16())),
    ok("pt, a parameter", lambda: pt(torch.nn.Parameter(torch.tensor(NUMBERS)))),
    ok("pt, a dictionary with one tensor", lambda: pt({"epoch": 3, "x": torch.tensor(NUMBERS)})),
    ok("pt, format before PyTorch 1.6", lambda: pt(torch.tensor(NUMBERS), _use_new_zipfile_serialization=False)),
    ok("npy named .pt", lambda: npy(VECTOR), suffix=".pt", means="detected from the content"),
    bad("vector of another length", lambda: npy([1.0, 2.0]), "shape (2,), expected (3,)"),
    bad("matrix among vectors", lambda: npy(STEPS), "shape (2, 3), expected (3,)"),
]  # fmt: skip
NUMBER = [ok("npy, a number (0 dimensions)", lambda: npy(np.float32(7)), holds([7.0]), means="a vector of length 1")]
SEQUENCES = [
    ok("npy, 2 dimensions", lambda: npy(STEPS), holds(STEPS), means="a sequence of 2 steps"),
    ok("npy, Fortran order", lambda: npy(np.asfortranarray(STEPS)), holds(STEPS)),
    ok("pt, transposed view", lambda: pt(torch.tensor(STEPS.T.copy()).T), holds(STEPS)),
    ok("npy, more steps", lambda: npy(np.ones((9, 3))), holds(np.ones((9, 3))), means="a sequence of 9 steps"),
    bad("steps of another width", lambda: npy(np.ones((2, 4))), "shape (2, 4), expected (T, 3)"),
    bad("no steps", lambda: npy(np.zeros((0, 3))), "shape (0, 3) holds no number"),
    bad("more steps than the limit", lambda: npy(np.ones((5000, 3))), "5000 steps, the limit is 4096", "skipped"),
]
MAPS = [
    ok("npy, 3 dimensions", lambda: npy(MAP), holds(MAP), means="a map of channels, height and width"),
    ok("npy, 3 dimensions, Fortran order", lambda: npy(np.asfortranarray(MAP)), holds(MAP)),
    bad("npy, 4 dimensions", lambda: npy(MAP[None]), "shape (1, 2, 3, 4), expected (D,), (T, D) or (C, H, W)"),
]


@cache
def place() -> tempfile.TemporaryDirectory:
    """Where code that is run in spite of all would leave a mark; it goes when the tests end."""
    return tempfile.TemporaryDirectory()


class Code:
    """What a pickle of makes a file."""

    def __reduce__(self):
        return (open, (str(Path(place().name) / "ran"), "w"))


def not_run() -> bool:
    return not (Path(place().name) / "ran").exists()


def whole_and_no_code_ran(values):
    """Looked at after every form of its group was read."""
    holds(NUMBERS)(values)
    assert not_run()


def in_zip(content: bytes, change) -> bytes:
    """Return an archive with each file in it changed, given its name and bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(stream, "w") as after:
        for entry in before.infolist():
            after.writestr(entry.filename, change(entry.filename, before.read(entry)))
    return stream.getvalue()


def pickled(instructions: bytes) -> bytes:
    """A .pt file whose pickle is this."""
    return in_zip(pt(torch.ones(3)), lambda name, data: instructions if name.endswith("data.pkl") else data)


OBJECTS = "a .pt file with Python objects in it; save a tensor alone by torch.save"
DAMAGED = [
    ok("undamaged; no code in the other files was run", lambda: npy(VECTOR), whole_and_no_code_ran),
    bad("empty file", lambda: b"", "0 bytes"),
    bad("text", lambda: b"1.5 -2 3", "not a .npy, .npz, .safetensors or .pt file"),
    bad("npz, two arrays", lambda: npz(a=VECTOR, b=VECTOR), "holds 2 arrays (a, b), expected one"),
    bad("npz, no array", lambda: npz(), "holds no array"),
    bad("safetensors, two arrays", lambda: safetensors(bytes(8), a=("F32", [1], 0, 4), b=("F32", [1], 4, 8)),
        "holds 2 arrays (a, b), expected one"),
    bad("pt, a dictionary with two tensors", lambda: pt({"a": torch.ones(1), "b": torch.ones(1)}),
        "holds 2 arrays (a, b), expected one"),
    bad("pt, a list", lambda: pt([torch.ones(1)]), "a .pt file of a list, expected one tensor"),
    bad("pt, a sparse tensor", lambda: pt(torch.eye(3).to_sparse()),
        "a sparse, quantised or other special tensor; save a plain one"),
    bad("pt, a tensor without numbers (meta)", lambda: pt(torch.ones(3, device="meta")),
        "a sparse, quantised or other special tensor; save a plain one"),
    bad("pt, a pickled model", lambda: pt(torch.nn.Linear(2, 2)), OBJECTS),
    bad("pt, code that creates a file", lambda: pt(Code()), OBJECTS),
    bad("pt, code beside a tensor", lambda: pt({"x": torch.ones(3), "y": Code()}), OBJECTS),
    bad("pt, code in the format before PyTorch 1.6", lambda: pt(Code(), _use_new_zipfile_serialization=False), OBJECTS),
    bad("npy, code", lambda: written(np.save, np.array([Code()], object), allow_pickle=True),
        "a .npy file of Python objects; save an array of numbers"),
    bad("npz, code", lambda: npz(x=np.array([Code()], object)),
        "a .npy file of Python objects; save an array of numbers"),
    bad("NaN and infinity", lambda: npy([1, np.nan, np.inf]),
        "2 of 3 numbers are NaN, infinite or too large for float32"),
    bad("a number too large for float32", lambda: npy([1e300, 0, 0]),
        "1 of 3 numbers are NaN, infinite or too large for float32"),
    bad("complex numbers", lambda: npy(VECTOR + 1j), "complex numbers, expected real numbers"),
    bad("strings", lambda: npy(["a", "b", "c"]), "type <U1, expected real numbers"),
    bad("npy, last byte missing", lambda: npy(VECTOR)[:-1], "cut short: 11 bytes of data, expected 12"),
    bad("npy, header only", lambda: npy(VECTOR)[:128], "cut short: 0 bytes of data, expected 12"),
    bad("npy, half the header", lambda: npy(VECTOR)[:40], "damaged .npy header"),
    bad("npz, first half", lambda: npz(x=VECTOR)[:150], "damaged archive (File is not a zip file)"),
    bad("safetensors, last byte missing", lambda: safetensors(packed("<f4")[:-1], x=("F32", [3], 0, 12)),
        "damaged .safetensors file (incomplete metadata, file not fully covered)"),
    bad("pt, first half", lambda: pt(torch.ones(3))[:500], "damaged archive (File is not a zip file)"),
    bad("pt, damaged pickle", lambda: pickled(b"\x80\x02damage"), "damaged .pt file"),
]  # fmt: skip
