"""The transform of index: embeds each modality of rows with a trained model and its chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from mmcli.chain.chain import Chain
from mmcli.chain.transforms import Lookup
from mmcli.errors import UsageError
from mmcli.inference.inputs import check_whole
from mmcli.inference.model import TrainedModel
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Batch, Column, FieldSpec, LedgerEntry, ModalitySpec, assemble
from mmcli.store.keys import derived_keys, fingerprint
from mmcli.store.state import State


class EmbedTransform:
    """Stored rows in, embeddings of norm 1 out, one for each source modality.

    Rows whose embeddings were all computed by earlier runs skip the network.

    Args:
        model: Makes the embeddings.
        chain: The model's chain.
        done: The fingerprints of its transforms that have already been applied to the rows.
        name: The name of the rows' source in messages.
    """

    stage: ClassVar[str] = "index"
    version: ClassVar[int] = 1

    def __init__(self, model: TrainedModel, chain: Chain, done: frozenset[str], name: str) -> None:
        require_embeddings(model, "index")
        self.model = model
        self.chain = chain
        self.done = done
        self.name = name

    def config(self) -> dict[str, Any]:
        """Return the digest of the model that makes the embeddings."""
        return {"model": self.model.artifact.digest}

    def states(self) -> dict[str, State]:
        """Return no states: all fitted state belongs to the model."""
        return {}

    def modalities(self) -> dict[str, ModalitySpec]:
        """Return the embedding of each source modality."""
        return embedding_specs(self.model)

    def apply(self, batch: Batch, runtime: Runtime, earlier: Lookup) -> Batch:
        """Return the rows with the embedding of each modality, and a ledger of the missing ones."""
        specs = self.modalities()
        expected = self.chain.expected(batch.columns, self.done)
        check_whole(expected, self.model, self.name)
        items: dict[str, list[Array | None]] = {name: [None] * len(batch.rows) for name in specs}
        columns: dict[str, Column] = {}
        waiting = np.zeros(len(batch.rows), bool)
        for name, spec in specs.items():
            columns[name] = self._expected(name, spec, expected)
            for row in np.flatnonzero(columns[name].present):
                position = earlier.position(name, columns[name].key[row].tobytes())
                if position is None:
                    waiting[row] = True
                else:
                    items[name][row] = earlier.item(name, position)[""]
        rows = np.flatnonzero(waiting)
        if len(rows):
            part = {name: column.take(rows) for name, column in batch.columns.items()}
            made = self.chain.apply(Batch([batch.rows[row] for row in rows.tolist()], part), runtime, self.done)
            embedded = self.model.outputs(self.model.vectors(made.columns, runtime))[0].astype(np.float32)
            for place, name in enumerate(specs):
                for number, row in enumerate(rows):
                    items[name][row] = embedded[number, place] if columns[name].present[row] else None
        found = {
            name: replace(column, fields={"": assemble(specs[name].main, items[name])})
            for name, column in columns.items()
        }
        return Batch(batch.rows, {**batch.columns, **found}, self._ledger(batch, found))

    def _expected(self, source: str, spec: ModalitySpec, features: Mapping[str, Column]) -> Column:
        own = [features[name] for name in self.model.names if self.model.source_of[name] == source]
        there = np.logical_or.reduce([column.present for column in own])
        keys = derived_keys(spec.fingerprint, np.concatenate([column.key for column in own], axis=1))
        keys[~there] = 0
        return Column({}, there, keys)

    def _ledger(self, batch: Batch, made: Mapping[str, Column]) -> list[LedgerEntry]:
        """Return one entry for each row and source modality without any features."""
        known: dict[tuple[int, str], LedgerEntry] = {}
        for entry in batch.ledger:
            known.setdefault((entry.row, self.model.source_of.get(entry.modality, entry.modality)), entry)
        identity = self.model.artifact.roles.id
        found = []
        for name, column in made.items():
            for row in np.flatnonzero(~column.present).tolist():
                told = LedgerEntry(row, str(batch.rows[row].get(identity, row)), name, "missing", "no feature is there")
                found.append(replace(known.get((row, name), told), modality=name))
        return found


def embedding_specs(model: TrainedModel) -> dict[str, ModalitySpec]:
    """Return the form of the embeddings that a model makes of each source modality."""
    width = model.network.fusion.out_dim
    assert isinstance(width, int)
    form = FieldSpec("dense", "float32", (width,), "D")
    made = [EmbedTransform.stage, EmbedTransform.version, model.artifact.digest]
    kinds = kinds_of(model)
    return {
        source: ModalitySpec(kinds[source], source, model.plan.method, fingerprint([*made, source]), {"": form})
        for source in model.sources
    }


def kinds_of(model: TrainedModel) -> dict[str, str]:
    """Return the kind of each source modality."""
    return {source: model.modalities[name].kind for name, source in sorted(model.source_of.items())}


def require_embeddings(model: TrainedModel, who: str) -> None:
    """Check that a model maps its modalities into a shared space.

    Raises:
        UsageError: It does not.
    """
    if model.task.link != "embedding":
        task = model.artifact.header["task"]
        raise UsageError(f"{who}: needs a model of train --task retrieval, but this is a model of task {task}")
