"""Reads one array from the bytes of a .npy, .npz, .safetensors or .pt file, whatever its suffix; never unpickles."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.tensor._pickled import LARGEST, check_pickles
from mmcli.store.columns import Array
from mmcli.store.literals import ONE_PARSE

_NPY = b"\x93NUMPY"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TORCH_BEFORE_ZIP = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_PICKLES_BEFORE_ZIP = 5
_ZIP_ENTRY = b"PK\x01\x02"
_MOST_ENTRIES = 10_000
_SAFETENSORS_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def read_array(content: bytes, max_bytes: int) -> Array:
    """Return the single array of a file, in its stored dtype.

    Args:
        content: The bytes of the file.
        max_bytes: Maximum unpacked size of the array.

    Raises:
        UnusableError: ``corrupt`` if the format is unknown, or the file is damaged, holds no array or several, or
            holds Python objects; ``skipped`` if the array is larger than ``max_bytes``.
    """
    if content.startswith(_NPY):
        return _read_npy(content, max_bytes)
    if content.startswith(_TORCH_BEFORE_ZIP):
        check_pickles(content, _PICKLES_BEFORE_ZIP)
        return _read_torch(content, max_bytes)
    if content.startswith(_ZIP):
        return _read_zip(content, max_bytes)
    if len(content) > 9 and content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content) - 8:
        return _read_safetensors(content, max_bytes)
    if not content:
        raise UnusableError("corrupt", "the file is empty")
    raise UnusableError("corrupt", "not a .npy, .npz, .safetensors or .pt file")


def _read_npy(content: bytes, max_bytes: int) -> Array:
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise UnusableError("corrupt", f"a .npy file of version {version[0]}.{version[1]}, expected 1.0 or 2.0")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with ONE_PARSE:
            shape, by_column, dtype = read_header(stream)
        if any(type(length) is not int or length < 0 for length in shape):
            raise ValueError
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        raise UnusableError("corrupt", "damaged .npy header") from None
    if dtype.hasobject:
        raise UnusableError("corrupt", "a .npy file of Python objects; save an array of numbers")
    size = _check_size(shape, dtype.itemsize, max_bytes)
    start = stream.tell()
    if len(content) - start < size:
        raise UnusableError("corrupt", f"cut short: {len(content) - start} bytes of data, expected {size}")
    values = np.frombuffer(content, dtype, math.prod(shape), start) if size else np.zeros(shape, dtype)
    return values.reshape(shape, order="F" if by_column else "C")


def _read_zip(content: bytes, max_bytes: int) -> Array:
    if content.count(_ZIP_ENTRY) > _MOST_ENTRIES:
        raise UnusableError("skipped", f"an archive of more than {_MOST_ENTRIES} files")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            pickles = [entry for entry in entries if entry.filename.endswith("data.pkl")]
            if pickles:
                # torch unpacks by itself, so the declared sizes of the entries are checked first.
                _check_size((unpacked,), 1, max_bytes, LARGEST)
                for entry in pickles:
                    check_pickles(archive.open(entry).read(LARGEST + 1), 1)
                return _read_torch(content, max_bytes)
            arrays = [entry for entry in entries if entry.filename.endswith(".npy")]
            _check_one([entry.filename.removesuffix(".npy") for entry in arrays])
            _check_size((arrays[0].file_size,), 1, max_bytes, 2**16)
            return _read_npy(archive.read(arrays[0]), max_bytes)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, zlib.error) as error:
        raise UnusableError("corrupt", f"damaged archive ({_first_line(error)})") from None


def _read_safetensors(content: bytes, max_bytes: int) -> Array:
    from safetensors import SafetensorError, deserialize

    try:
        tensors: list[tuple[str, dict[str, Any]]] = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise UnusableError("corrupt", f"damaged .safetensors file ({_first_line(error)})") from None
    _check_one([name for name, _ in tensors])
    found = tensors[0][1]
    if found["dtype"] not in _SAFETENSORS_TYPES:
        raise UnusableError("corrupt", f"numbers of type {found['dtype']}, which cannot be read")
    dtype = np.dtype(_SAFETENSORS_TYPES[found["dtype"]])
    _check_size(found["shape"], dtype.itemsize, max_bytes)
    values = np.frombuffer(found["data"], dtype).reshape(found["shape"])
    # bfloat16 is the upper half of float32.
    return (values.astype("<u4") << 16).view("<f4") if found["dtype"] == "BF16" else values


def _read_torch(content: bytes, max_bytes: int) -> Array:
    import torch

    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes decode to arbitrary instructions, which raise anything
        if type(error).__name__ == "UnpicklingError":  # weights_only refuses to run code
            raise UnusableError(
                "corrupt", "a .pt file with Python objects in it; save a tensor alone by torch.save"
            ) from None
        raise UnusableError("corrupt", f"damaged .pt file ({_first_line(error)})") from None
    if isinstance(found, dict):
        names = [str(name) for name, value in found.items() if isinstance(value, torch.Tensor)]
        _check_one(names)
        found = next(value for value in found.values() if isinstance(value, torch.Tensor))
    if not isinstance(found, torch.Tensor):
        raise UnusableError("corrupt", f"a .pt file of a {type(found).__name__}, expected one tensor")
    _check_size(found.shape, found.element_size(), max_bytes)
    found = found.detach().resolve_conj().resolve_neg()
    values: Array = (found.float() if found.dtype is torch.bfloat16 else found).numpy()
    return values


def _check_one(names: Collection[str]) -> None:
    if not names:
        raise UnusableError("corrupt", "holds no array")
    if len(names) > 1:
        shown = ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
        raise UnusableError("corrupt", f"holds {len(names)} arrays ({shown}), expected one")


def _check_size(shape: Sequence[int], item_size: int, max_bytes: int, header: int = 0) -> int:
    """Return the size of an array in bytes; ``header`` more bytes are allowed before it."""
    size = math.prod(shape) * item_size
    if size > max_bytes + header:
        raise UnusableError("skipped", f"an array larger than {max_bytes} bytes: --max-bytes")
    return size


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix("Error while deserializing: ")
    return line if len(line) <= 120 else line[:117] + "..."
