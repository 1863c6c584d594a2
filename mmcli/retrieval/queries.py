"""Embeds single values with a retrieval model: queries and names of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmcli.chain.chain import Chain
from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.inference.model import TrainedModel
from mmcli.modalities.files import MediaFolder
from mmcli.retrieval.embed import kinds_of
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Batch
from mmcli.tables.bad_inputs import describe


@dataclass(frozen=True)
class Query:
    """One value of one modality.

    Args:
        told: The value as typed.
        option: The option or argument it was given to.
        modality: The source modality of the value.
        value: The value as a table cell would hold it; paths are relative to the working directory.
    """

    told: str
    option: str
    modality: str
    value: str


def parse_query(model: TrainedModel, text: str, kind: str, option: str) -> Query:
    """Parse ``VALUE``, a value of the model's only modality of a kind, or ``MODALITY=VALUE``.

    Raises:
        UsageError: The model has no modality of this kind, or several.
    """
    name, equals, value = text.partition("=")
    if equals and name in model.sources:
        return Query(text, option, name, value)
    return Query(text, option, only_modality(model, kind, option), text)


def only_modality(model: TrainedModel, kind: str, option: str) -> str:
    """Return the model's only modality of a kind.

    Raises:
        UsageError: There is none, or several.
    """
    kinds = kinds_of(model)
    names = [name for name, own in kinds.items() if own == kind]
    if len(names) != 1:
        found = ", ".join(f"{name} ({own})" for name, own in kinds.items())
        raise UsageError(f"{option}: the model has {len(names) or 'no'} {kind} modalities; name one of {found}")
    return names[0]


def check_modality(model: TrainedModel, name: str) -> None:
    """Check that a model has a modality.

    Raises:
        MmcliError: It does not.
    """
    if name not in model.sources:
        raise unknown_name("modality", name, model.sources)


def embed_queries(model: TrainedModel, queries: Sequence[Query], runtime: Runtime) -> Array:
    """Return the embedding of each query, (Q, D) float64 of norm 1, by the model's complete chain.

    Raises:
        MmcliError: A value is empty, or its file is missing or unreadable.
    """
    identity = model.artifact.roles.id
    chain = Chain(model.artifact, MediaFolder("."), identity)
    columns = chain.raw_columns()
    rows = []
    for number, query in enumerate(queries):
        own = columns[query.modality]
        if len(own) != 1:
            raise UsageError(f"{query.option} {query.told}: {query.modality} is made from {len(own)} columns, not one")
        rows.append({identity: str(number), own[0]: query.value})
    batch = chain.apply(Batch(rows, {}), runtime)
    embedded = model.outputs(model.vectors(batch.columns, runtime))[0]
    found = embedded[np.arange(len(queries)), [model.sources.index(query.modality) for query in queries]]
    for number, query in enumerate(queries):
        if np.isnan(found[number]).any():
            entry = next(each for each in batch.ledger if each.row == number and each.modality == query.modality)
            raise MmcliError(f"{query.option} {query.told!r}: not usable as a query: {describe(entry)}")
    return found
