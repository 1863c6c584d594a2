"""Balances the classes of the train rows by resampling or synthetic rows; val rows are unchanged."""

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
"""Number of nearest neighbours from which ``smote`` draws the other end of a synthetic row."""
MADE = -1
"""Sample index of a synthetic row."""


def check_sampling(how: Sampling, data: TrainingData, encoded: Collection[str]) -> None:
    """Reject sampling for a task without classes, and synthetic rows of anything but vectors.

    Args:
        how: See ``resample``.
        data: The rows.
        encoded: The modalities with an encoder.

    Raises:
        UsageError: The sampling is rejected.
    """
    if how == "none":
        return
    if not encodes_classes(data.task):
        raise UsageError(
            f"--sampling {how}: balances the classes of a single target, but this task has no classes or several "
            "targets"
        )
    steps = [name for name, value in data.train.features.items() if isinstance(value, Ragged) or value.dim() > 2]
    if how == "smote" and (encoded or steps):
        raise UsageError(
            f"--sampling smote: needs features that are vectors, unlike those of {', '.join([*encoded, *steps])}: "
            "run extract-features first and use a --method that takes vectors, or use --sampling over"
        )


def resample(data: TrainingData, how: Sampling, seed: int, reporter: Reporter) -> TrainingData:
    """Return the data with resampled train rows, in which all classes are equally frequent.

    ``over`` repeats rows until each class is as frequent as the most frequent one; ``under`` drops rows until each is
    as rare as the rarest. ``smote`` adds synthetic rows instead of repetitions: each lies between a row and one of its
    nearest neighbours of the same class, by all features concatenated plus a presence column per modality. A synthetic
    row has the modalities that both rows have; one that would have none is left out.

    Args:
        data: Data prepared for the network, after all other filtering of rows.
        how: ``none`` returns the data unchanged.
        seed: Seed of the draws, which depend on the rows' ids but not on their order.
        reporter: Receives the new number of rows.

    Source: Chawla et al. 2002, SMOTE: Synthetic Minority Over-sampling Technique, section 4.2.
    """
    import torch

    if how == "none" or len(np.unique(data.train.encoded)) < 2:
        return data
    if how == "smote":
        made = replace(data, train=_with_made_rows(data, seed, reporter))
    else:
        made = replace(data, drawn=torch.from_numpy(draw_rows(data, how, seed)))
    reporter.note(f"--sampling {how}: training on {len(made.encoded)} rows made of {len(data.encoded)} train rows")
    return made


def draw_rows(data: TrainingData, how: Sampling, seed: int) -> Array:
    """Return the train rows to train on, (R,), without synthetic rows: ``smote`` repeats rows like ``over``."""
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
    """Return the indexes of the train rows in the order of their ids."""
    return np.argsort([data.samples.id_of(row) for row in data.samples.rows.take(data.train.rows)], kind="stable")


def _with_made_rows(data: TrainingData, seed: int, reporter: Reporter) -> Examples:
    """Return the train rows followed by the synthetic ones."""
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
    there = rows[:, -len(vectors) :] == 1  # below 1 if one of the two rows lacks the modality
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
    """Return the synthetic rows (R, D) that a class with these rows (N, D) needs to have ``most``."""
    from imblearn.over_sampling import SMOTE

    if len(values) == 1:
        return np.repeat(values, most - 1, axis=0)
    # The library requires a second class, which it leaves unchanged.
    whole = np.concatenate([values, np.zeros((1, values.shape[1]), values.dtype)])
    classes = np.append(np.ones(len(values), np.int64), 0)
    smote = SMOTE(sampling_strategy={1: most}, k_neighbors=min(NEIGHBOURS, len(values) - 1), random_state=seed)
    found: Array = smote.fit_resample(whole, classes)[0][len(whole) :]
    return found


def _tell_of_few(counts: Array, empty: int, reporter: Reporter) -> None:
    """Report exceptions for small classes; ``counts`` (C,) are the rows of the classes that need synthetic rows."""
    few, alone = int(((counts > 1) & (counts <= NEIGHBOURS)).sum()), int((counts == 1).sum())
    told = [
        f"{few} classes have at most {NEIGHBOURS} rows and use fewer neighbours" if few else "",
        f"{alone} have a single row, which is repeated" if alone else "",
        f"{empty} synthetic rows would have no modality and are left out" if empty else "",
    ]
    if any(told):
        reporter.note(f"--sampling smote: {'; '.join(filter(None, told))}")
