"""Finds the inputs of an earlier artifact that ``--only-failed`` need not read again."""

from __future__ import annotations

from functools import lru_cache

from mmcli.chain.transforms.preprocess import PreprocessTransform
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Row
from mmcli.store.samples import STATUS


class EarlierRows:
    """The rows of an earlier artifact of the same transform, with the keys of their inputs.

    Args:
        artifact: The earlier artifact.
        transform: The fitted transform; modalities with another fingerprint are not taken from the artifact.

    Attributes:
        other: The modalities whose fingerprint has changed.
    """

    def __init__(self, artifact: Artifact, transform: PreprocessTransform) -> None:
        self._artifact = artifact
        self._identity = artifact.roles.id
        self._now = transform.id_column
        self._columns = {
            name: transform.preprocessors[name].columns
            for name, spec in transform.modalities().items()
            if name in artifact.modalities and artifact.modalities[name].fingerprint == spec.fingerprint
        }
        self.other = sorted(transform.modalities().keys() - self._columns.keys())
        self._chunk = lru_cache(maxsize=8)(self._read)

    def key(self, name: str, row: Row) -> bytes | None:
        """Return the key of a row's input if it was ok and the row is unchanged; None if it must be read.

        A row is matched by its number and id; a row that has moved is read again.
        """
        number = row["row"]
        if name not in self._columns or number >= len(self._artifact):
            return None
        size = self._artifact.shard_rows
        shard, place = divmod(number, size)
        before = self._chunk(shard)[place]
        same = before.get(self._identity) == row.get(self._now) and all(
            before.get(column) == row.get(column) for column in self._columns[name]
        )
        if not same or before[STATUS].get(name) != "ok":
            return None
        return bytes(self._artifact.shard(shard).keys(name)[place].tobytes())

    def _read(self, shard: int) -> list[Row]:
        size = self._artifact.shard_rows
        return self._artifact.rows.rows(shard * size, min((shard + 1) * size, len(self._artifact)))
