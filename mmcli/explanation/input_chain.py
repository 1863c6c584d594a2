"""The inputs of rows before extraction, and what the model makes of changed ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from mmcli.chain.chain import Chain
from mmcli.inference.model import TrainedModel, Vectors
from mmcli.modalities import Media
from mmcli.runtime import Runtime
from mmcli.store.artifact import empty_column
from mmcli.store.columns import KEY_BYTES, Array, Batch, Column, Row, assemble

Fields = dict[str, Array]
"""The tensors of one row of a modality, by field name."""


class InputChain:
    """A model's chain, entered between decoding and extraction.

    Args:
        model: Its chain is applied.
        media: Reads the files named in cells.
        kinds: Kinds of modalities to decode; () means all.
    """

    def __init__(self, model: TrainedModel, media: Media, kinds: Collection[str] = ()) -> None:
        self.model = model
        self._chain = Chain(model.artifact, media, model.artifact.roles.id)
        self.readers = self._chain.readers()
        self.specs = self._chain.decoded()
        other = [name for name, spec in self.specs.items() if kinds and spec.kind not in kinds]
        self._chain.leave_out({*self._chain.arrays(), *other})
        self._done = self._chain.decoding()

    def features_of(self, source: str) -> list[str]:
        """Return the features that are made from a source modality."""
        return [name for name in self.model.names if self.model.source_of[name] == source]

    def decode(self, rows: Sequence[Row], runtime: Runtime) -> dict[str, Column]:
        """Return the inputs of raw rows by source modality; absent where a row has none that can be read."""
        return self._chain.decode(Batch(rows, {}), runtime).columns if self.specs else {}

    def column(self, source: str, items: Sequence[Fields | None]) -> Column:
        """Return a column of inputs; None is absent."""
        fields = {
            name: assemble(form, [None if item is None else item[name] for item in items])
            for name, form in self.specs[source].fields.items()
        }
        present = np.array([item is not None for item in items], bool)
        return Column(fields, present, np.zeros((len(items), KEY_BYTES), np.uint8))

    def vectors(self, source: str, column: Column, runtime: Runtime) -> Vectors:
        """Return the fusion's inputs made from a column of one source modality, with all others absent."""
        count = len(column)
        columns = {name: empty_column(spec, count) for name, spec in self.specs.items()} | {source: column}
        batch = self._chain.apply(Batch([{} for _ in range(count)], columns), runtime, self._done)
        return self.model.vectors(batch.columns, runtime)


def take_vectors(vectors: Vectors, rows: Array) -> Vectors:
    """Return the vectors of these rows, which may be repeated."""
    values = {
        name: [value[row] for row in rows.tolist()] if isinstance(value, list) else value[rows]
        for name, value in vectors.values.items()
    }
    return Vectors(values, {name: present[rows] for name, present in vectors.present.items()})


def replace_vectors(vectors: Vectors, other: Vectors, names: Collection[str]) -> Vectors:
    """Return vectors with the features in ``names`` taken from other vectors of as many rows."""
    return Vectors(
        {name: other.values[name] if name in names else value for name, value in vectors.values.items()},
        {name: other.present[name] if name in names else there for name, there in vectors.present.items()},
    )
