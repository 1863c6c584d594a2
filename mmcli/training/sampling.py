"""Train rows drawn anew, or made, until all classes are as frequent as one another; val rows stay as they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from mmcli.errors import UsageError
from mmcli.reporting import Reporter
from mmcli.store.columns import Array, Ragged
from mmcli.tasks.abilities import encodes_classes
from mmcli.training.data import Examples, TrainingData

if TYPE_CHECKING:
    from torch import Tensor

Sampling = Literal["none", "over", "under", "smote"]
NEIGHBOURS = 5
"""Of a row, among which ``smote`` draws the one that a new row lies towards."""
MADE = -1
"""The sample that a made row is."""


def check_sampling(how: Sampling, data: TrainingData, encoded: Collection[str]) -> None:
    """Refuse to sample rows of a task without classes, and to make rows of what is not vectors.

    Args:
        how: See ``resample``.
        data: The rows.
        encoded: The modalities that have an encoder.

    Raises:
        UsageError: It is refused.
    """
    if how == "none":
        return
    if not encodes_classes(data.task):
        raise UsageError(
            f"--sampling {how}: it makes the classes of one target equally frequent, and this task has none, or "
            "several targets"
        )
    steps = [name for name, value in data.train.features.items() if isinstance(value, Ragged) or value.dim() > 2]
    if how == "smote" and (encoded or steps):
        raise UsageError(
            f"--sampling smote: it makes new rows of features that are vectors, which {', '.join([*encoded, *steps])} "
            "has not here: run extract-features first and take a --method that takes vectors, or take --sampling over"
        )


def resample(data: TrainingData, how: Sampling, seed: int, reporter: Reporter) -> TrainingData:
    """Return the data with other train rows, in which all classes are equally frequent.

    ``over`` draws rows again until each class has as many as the commonest, ``under`` leaves rows out until each has
    as few as the rarest. ``smote`` makes rows as ``over`` repeats them: each between a row and one of its nearest
    neighbours in its class, in all features side by side and, as a further column each, presence. A made row has the
    modalities that both of them have; one that would have none is left out.

    Args:
        data: Prepared for the network, so that whatever else takes rows away has done so before.
        how: ``none`` returns the data.
        seed: What rows are drawn from; their order does not matter, their ids do.
        reporter: Is told how many rows there are now.

    Source: Chawla et al. 2002, SMOTE: Synthetic Minority Over-sampling Technique, section 4.2.
    """
    import torch

    if how == "none" or len(np.unique(data.train.encoded)) < 2:
        return data
    if how == "smote":
        made = replace(data, train=_with_made_rows(data, seed, reporter))
    else:
        made = replace(data, drawn=torch.from_numpy(draw_rows(data, how, seed)))
    reporter.note(f"--sampling {how}: learning from {len(made.encoded)} rows made of {len(data.encoded)} train rows")
    return made


def draw_rows(data: TrainingData, how: Sampling, seed: int) -> Array:
    """Return which train rows to learn from, (R,), where none can be made: ``smote`` repeats them as ``over`` does."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    encoded = data.train.encoded
    if how == "none" or len(np.unique(encoded)) < 2:
        return np.arange(len(encoded))
    order = _by_id(data)
    sampler = (RandomUnderSampler if how == "under" else RandomOverSampler)(random_state=seed)
    sampler.fit_resample(order[:, None], encoded[order])
    return np.sort(order[sampler.sample_indices_])


def _by_id(data: TrainingData) -> Array:
    """Return the places of the train rows in the order of their ids."""
    return np.argsort([data.samples.id_of(row) for row in data.samples.rows.take(data.train.rows)], kind="stable")


def _with_made_rows(data: TrainingData, seed: int, reporter: Reporter) -> Examples:
    """Return the train rows, and after them those that are made."""
    import torch

    train, order = data.train, _by_id(data)
    vectors = {name: value for name, value in sorted(train.features.items()) if not isinstance(value, Ragged)}
    present = np.stack([train.present[name].numpy() for name in vectors], axis=1)
    columns = [np.where(there[:, None], own.numpy(), 0) for own, there in zip(vectors.values(), present.T, strict=True)]
    values, encoded = np.concatenate([*columns, present], axis=1, dtype=np.float32)[order], train.encoded[order]
    counts = np.bincount(encoded)
    most = int(counts.max())
    rare = np.flatnonzero((counts > 0) & (counts < most))
    made = [_make_rows(values[encoded == number], most, seed) for number in rare]
    rows = np.concatenate([values[:0], *made])
    classes = np.repeat(rare, [len(own) for own in made]).astype(np.int64)
    there = rows[:, -len(vectors) :] == 1  # Between two rows of which one lacks a modality it is less.
    some = there.any(axis=1)
    rows, classes, there = rows[some], classes[some], there[some]
    _tell_of_few(counts[rare], int((~some).sum()), reporter)
    features: dict[str, Tensor | Ragged] = {}
    found = dict(train.present)
    stop = 0
    for place, (name, own) in enumerate(vectors.items()):
        start, stop = stop, stop + own.shape[1]
        new = np.where(there[:, [place]], rows[:, start:stop], 0)
        features[name] = torch.cat([own, torch.from_numpy(new)])
        found[name] = torch.cat([train.present[name], torch.from_numpy(there[:, place])])
    targets = torch.from_numpy(np.concatenate([train.encoded, classes]))
    return Examples(features, found, targets, np.concatenate([train.rows, np.full(len(rows), MADE)]))


def _make_rows(values: Array, most: int, seed: int) -> Array:
    """Return as many new rows (R, D) as a class with these rows (N, D) lacks to ``most``."""
    from imblearn.over_sampling import SMOTE

    if len(values) == 1:
        return np.repeat(values, most - 1, axis=0)
    # It wants a second class to be there, of which it does nothing.
    whole = np.concatenate([values, np.zeros((1, values.shape[1]), values.dtype)])
    classes = np.append(np.ones(len(values), np.int64), 0)
    smote = SMOTE(sampling_strategy={1: most}, k_neighbors=min(NEIGHBOURS, len(values) - 1), random_state=seed)
    found: Array = smote.fit_resample(whole, classes)[0][len(whole) :]
    return found


def _tell_of_few(counts: Array, empty: int, reporter: Reporter) -> None:
    """Say what could not be done as for all, ``counts`` (C,) being the rows of the classes that lack some."""
    few, alone = int(((counts > 1) & (counts <= NEIGHBOURS)).sum()), int((counts == 1).sum())
    told = [
        f"{few} classes have {NEIGHBOURS} rows or fewer and take those they have for neighbours" if few else "",
        f"{alone} have one row, which is repeated" if alone else "",
        f"{empty} new rows would have no modality and are left out" if empty else "",
    ]
    if any(told):
        reporter.note(f"--sampling smote: {'; '.join(filter(None, told))}")
