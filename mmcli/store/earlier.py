"""Looks up items of earlier runs by content key."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.columns import KEY_BYTES, Array, Column, ModalitySpec
from mmcli.store.tensors import Shard


class Earlier:
    """The shards of an earlier artifact and of an interrupted run, indexed by key.

    Args:
        folders: Folders of shards, in order of precedence.
        modalities: The modalities about to be written; items with equal keys have equal forms.
    """

    def __init__(self, folders: list[Path], modalities: Mapping[str, ModalitySpec]) -> None:
        self.modalities = dict(modalities)
        self._shards: list[Shard] = []
        self._usable: set[tuple[int, str]] = set()
        for folder in folders:
            for path in sorted(folder.glob("*.safetensors")):
                with contextlib.suppress(MmcliError):  # an unreadable shard is recomputed
                    self._add(Shard(path))
        self._index = {name: self._build_index(name) for name in self.modalities}

    def position(self, modality: str, key: bytes) -> int | None:
        """Return the position of the item with this key, or None."""
        keys, positions = self._index[modality]
        if not len(keys):
            return None
        place = int(np.searchsorted(keys, np.frombuffer(key, f"S{KEY_BYTES}"))[0])
        found = place < len(keys) and keys[place : place + 1].tobytes() == key
        return int(positions[place]) if found else None

    def item(self, modality: str, position: int) -> dict[str, Array]:
        """Return views of the tensors of the item at a position, by field."""
        number, row = divmod(position, 1 << 32)
        column = self._shards[number].column(modality, self.modalities[modality])
        return {field: tensor.item(row) for field, tensor in column.fields.items()}

    def count(self, modality: str, column: Column) -> int:
        """Return how many of the column's items an earlier run computed."""
        keys = np.ascontiguousarray(column.key[column.present]).view(f"S{KEY_BYTES}").ravel()
        return int(np.isin(keys, self._index[modality][0]).sum())

    def same_shard(self, number: int, columns: Mapping[str, Column]) -> Path | None:
        """Return the path of an earlier shard with this number that holds exactly these items, or None."""
        for place, shard in enumerate(self._shards):
            if shard.path.stem != f"{number:05d}" or shard.modalities() != set(columns):
                continue
            if all((place, name) in self._usable for name in columns) and all(
                np.array_equal(shard.keys(name), column.key) and np.array_equal(shard.present(name), column.present)
                for name, column in columns.items()
            ):
                return shard.path
        return None

    def _add(self, shard: Shard) -> None:
        for name in shard.modalities() & self.modalities.keys():
            with contextlib.suppress(MmcliError):  # damaged, or of another form: recomputed
                shard.column(name, self.modalities[name])
                self._usable.add((len(self._shards), name))
        self._shards.append(shard)

    def _build_index(self, modality: str) -> tuple[Array, Array]:
        keys, positions = [], []
        for number, shard in enumerate(self._shards):
            if (number, modality) in self._usable:
                rows = np.flatnonzero(shard.present(modality))
                keys.append(np.ascontiguousarray(shard.keys(modality)[rows]).view(f"S{KEY_BYTES}").ravel())
                positions.append(rows + (number << 32))
        if not keys:
            return np.zeros(0, f"S{KEY_BYTES}"), np.zeros(0, np.int64)
        every = np.concatenate(keys)
        order = np.argsort(every, kind="stable")
        return every[order], np.concatenate(positions)[order]


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it if the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())
