"""Files of arrays: .npy, .npz, .safetensors and .pt, one for a row or one for all rows."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from safetensors.numpy import save

from mmcli.modalities.files import MediaFolder
from mmcli.modalities.tensor.read import Preprocessor
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_bytes, damaged_safetensors, damaged_zip

_WORDS = (b"", b"0", b"-1", b"99999999999", b"(", b")", b"'", b"True", b"'O'", b"'|O'", b"'<f8'", b"'<U5'", b"'>c16'",
          b"'V8'", b"[('a','<f4')]", b"(2**99,)", b"{}", b"__import__('os')", b"((" * 300, b"'<m8'", b"1e9", b"1L",
          b"(0,)", b"(10**9, 0)", b"None", b"x" * 300, b"'S0'", b"'V0'")  # fmt: skip


def make(folder: Path) -> Reader:
    """The same small array in every form."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    files = {"a.npz": _saved(np.savez, values), "b.npz": _saved(np.savez_compressed, values)}
    for number, array in enumerate((values, values.astype(np.float16).T, values.astype("i8"), np.ones((2, 3, 4)))):
        files[f"{number}.npy"] = _saved(np.save, array)
    files["a.safetensors"] = save({"x": values})
    tensor = torch.from_numpy(values.copy())
    whole: tuple[Any, ...] = (tensor, tensor.bfloat16().T, {"x": tensor}, tensor.to(torch.complex64), tensor[:, 1:])
    for number, found in enumerate(whole):
        stream = io.BytesIO()
        torch.save(found, stream, _use_new_zipfile_serialization=number % 2 == 0)
        files[f"{number}.pt"] = stream.getvalue()
    reader = Preprocessor(("a",), max_bytes=2**20)
    media = MediaFolder(str(folder))

    def read(case: Case) -> None:
        path = folder / f"damaged{Path(case.name).suffix}"
        path.unlink(missing_ok=True)
        path.write_bytes(case.content)
        with refused():
            rows = Preprocessor((), array=str(path), max_bytes=2**20)
            for number in range(4):
                rows.decode(rows.content({"row": number}, media) or b"")
        with refused():
            fitted = Preprocessor(("a",), max_bytes=2**20)
            fitted.fit([case.content])
            fitted.fields()
        reader.decode(case.content)

    return Reader(_cases(files), read)


def _saved(how: Any, array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    how(stream, array)
    return stream.getvalue()


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(sorted(files)))
    content = files[name]
    if draw(st.integers(0, 40)) == 0:
        return Case(name, draw(st.binary(max_size=100)))
    if name.endswith(".npy"):
        return Case(name, draw(st.one_of(damaged_bytes(content), _damaged_npy(content))))
    if name.endswith(".safetensors"):
        return Case(name, draw(damaged_safetensors(content)))
    return Case(name, draw(damaged_zip(content) if content.startswith(b"PK") else damaged_bytes(content)))


@st.composite
def _damaged_npy(draw: Any, content: bytes) -> bytes:
    """Return an array whose header says something else, its length right."""
    length = int.from_bytes(content[8:10], "little")
    parts = re.split(rb"([\s,:()]+)", content[10 : 10 + length])
    for _ in range(draw(st.integers(1, 3))):
        parts[draw(st.integers(0, len(parts) - 1))] = draw(st.sampled_from(_WORDS))
    header = b"".join(parts)
    version = draw(st.sampled_from((1, 1, 1, 2, 3)))
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    return content[:6] + bytes([version, 0]) + size + header + content[10 + length :]
