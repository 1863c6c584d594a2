"""Hashes: content keys of items, fingerprints of transforms, digests of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.store.columns import KEY_BYTES, Column


def fingerprint(record: Any) -> str:
    """Return a hash of JSON values that does not depend on the order of keys.

    Lone surrogates, which stand in paths whose names are not UTF-8, are hashed too.
    """
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_key(transform: str, content: bytes) -> bytes:
    """Return the 16-byte key of an item made from ``content`` by the transform with this fingerprint."""
    return hashlib.blake2b(content, digest_size=KEY_BYTES, key=bytes.fromhex(transform)).digest()


def derived_keys(transform: str, keys: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the keys (B, 16) of items made from stored items with ``keys``, (B, 16) or several side by side."""
    salt = bytes.fromhex(transform)
    hashes = [hashlib.blake2b(bytes(key), digest_size=KEY_BYTES, key=salt).digest() for key in keys]
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, KEY_BYTES).copy()


def keys_beside(transform: str, column: Column) -> NDArray[np.uint8]:
    """Return the keys (B, 16) of items derived one by one from a column's items; zeros for absent rows."""
    keys = np.zeros_like(column.key)
    if column.present.any():
        keys[column.present] = derived_keys(transform, column.key[column.present])
    return keys


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, as ``sha256sum`` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
