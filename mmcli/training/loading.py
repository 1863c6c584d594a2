"""Reads the train and val rows and their targets, once before training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mmcli.chain.collate import to_features
from mmcli.chain.transforms import NothingEarlier
from mmcli.chain.transforms.fuse import FuseTransform
from mmcli.errors import MmcliError
from mmcli.models import DEFAULT_POOLING
from mmcli.networks.plan import feature_names
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, ModalitySpec, Ragged, join
from mmcli.store.labels import EmptyTarget
from mmcli.store.samples import Samples
from mmcli.store.training_rows import warn_of_target
from mmcli.tasks.abilities import ComparesModalities
from mmcli.tasks.targets import TargetSource, take_positives, target_role
from mmcli.training.asked_task import AskedTask, roles_of
from mmcli.training.data import Examples, TrainingData
from mmcli.training.target_rows import (
    check_targets,
    leave_out_empty,
    leave_out_unknown,
    take_empties,
    warn_of_classes,
    warn_of_unseen,
)

if TYPE_CHECKING:
    pass

_ROWS = 1024
_LARGE = 2**30


def load_training_data(
    samples: Samples,
    fusing: FuseTransform | None,
    modalities: Mapping[str, ModalitySpec],
    encoded: Collection[str],
    columns: Sequence[str],
    asked: AskedTask,
    reporter: Reporter,
    *,
    pooling: str | None = DEFAULT_POOLING,
    keep: Collection[str] = (),
    named: bool = False,
    positive: Sequence[str] = (),
    empty_target: EmptyTarget = "error",
) -> TrainingData:
    """Read the train and val rows that have any modality; test rows are not read.

    Args:
        samples: The source.
        fusing: Scales the ready features; None if a fuse stage has done it.
        modalities: The network's inputs.
        encoded: Those with an encoder; their values are not loaded.
        columns: The target columns.
        asked: The task.
        reporter: Receives what was inferred and left out.
        pooling: Pooling of ready sequences and feature maps; None keeps their steps, for a network that reads them.
        keep: The source modalities to train on, the others count as absent; () is all.
        named: Whether the user named the target columns.
        positive: The positive class of a task with two classes; see ``take_positives``.
        empty_target: How to treat a row without a target.

    Raises:
        MmcliError: There is no target, a split is empty, or targets do not fit the task.
    """
    asked.check(columns, named)
    sources = {name: modalities[name].source for name in feature_names(modalities)}
    warn_of_target(() if asked.kind == "group" else columns, set(keep) or set(sources.values()), samples, reporter)
    roles = roles_of(samples, asked)
    target = TargetSource(asked.kind, replace(roles, target=target_role(columns)), samples.name, named)

    ready = [name for name in sources if name not in encoded]
    parts: dict[str, list[Examples]] = {"train": [], "val": []}
    found: dict[str, list[object]] = {"train": [], "val": []}
    empty = 0
    for start, stop in samples.ranges(_ROWS):
        batch = samples.batch(start, stop, ready if fusing is None else list(fusing.inputs))
        if fusing is not None:
            batch = fusing.apply(batch, Runtime(), NothingEarlier())
        features, present = _features({name: batch.columns[name] for name in ready}, pooling)
        present |= {name: torch.from_numpy(samples.present(name, slice(start, stop))) for name in encoded}
        if keep:
            present = {name: there & (sources[name] in keep) for name, there in present.items()}
        known = torch.stack(list(present.values())).any(dim=0).numpy()
        splits = np.array([row.get(samples.roles.split) for row in batch.rows])
        for split in parts:
            here = np.flatnonzero((splits == split) & known)
            empty += int(((splits == split) & ~known).sum())
            rows = torch.from_numpy(here)
            numbers = np.arange(start, stop)
            parts[split].append(Examples(features, present, torch.zeros(len(known)), numbers).take(rows))
            found[split] += [target.of(batch.rows[row]) for row in here.tolist()]
    if empty:
        reporter.warn(f"{empty} train or val rows have no modality and are left out")
    leave_out_empty(target, asked, parts, found, empty_target, samples, reporter)
    for split, targets in found.items():
        if not targets:
            raise MmcliError(f"{samples.name}: no {split} rows with features; train needs both train and val rows")
    made = asked.build(columns, found["train"], reporter)
    warn_of_classes(made, columns, found["train"], reporter)
    if empty_target == "none" and asked.kind == "column":
        take_empties(made)
    if isinstance(made, ComparesModalities):
        made.take_modalities(sorted(set(sources.values())))
    shown = ", ".join(columns)
    for split, targets in found.items():
        check_targets(made, targets, [part.rows for part in parts[split]], shown, samples)
    made.fit(found["train"])
    take_positives(made, positive, columns)
    leave_out_unknown(made, parts["val"], found["val"], shown, reporter)
    warn_of_unseen(made, found["val"], shown, reporter)
    if asked.kind == "column" and len({str(value) for value in found["val"]}) == 1:
        reporter.warn(f"every val row has the same {shown!r}: validation metrics mean little")
    train, val = (_join(parts[split], _as_tensor(made.encode(found[split]))) for split in ("train", "val"))
    absent = sorted(name for name, there in train.present.items() if not there.any())
    if absent and not keep:
        reporter.warn(f"{', '.join(absent)}: in no train row, so it is not trained")
    size = sum(
        value.values.nbytes if isinstance(value, Ragged) else value.nbytes
        for examples in (train, val)
        for value in examples.features.values()
    )
    if size > _LARGE:
        reporter.note(f"train and val features are held in memory: {size / 2**30:.1f} GiB")
    return TrainingData(made, train, val, samples)


def _features(
    columns: Mapping[str, Column], pooling: str | None
) -> tuple[dict[str, Tensor | Ragged], dict[str, Tensor]]:
    """Return the features of each modality, pooled if requested, and its presence, (B,) bool."""
    from mmcli.models.pooling import build_pooling

    found: dict[str, Tensor | Ragged] = {}
    for name, column in columns.items():
        if pooling is not None:
            found[name] = build_pooling(pooling, 0)(to_features(column))
        elif isinstance(column.main, Ragged):
            found[name] = column.main
        else:
            found[name] = torch.from_numpy(np.array(column.main.values, np.float32))
    return found, {name: torch.from_numpy(np.array(column.present)) for name, column in columns.items()}


def _as_tensor(encoded: Array) -> Tensor | Array:
    """Return numbers as a tensor and anything else unchanged."""
    return torch.from_numpy(encoded) if encoded.dtype.kind in "biuf" else encoded


def _join(parts: list[Examples], targets: Tensor | Array) -> Examples:
    first = parts[0]
    return Examples(
        {name: _join_features([part.features[name] for part in parts]) for name in first.features},
        {name: torch.cat([part.present[name] for part in parts]) for name in first.present},
        targets,
        np.concatenate([part.rows for part in parts]),
    )


def _join_features(parts: Sequence[Tensor | Ragged]) -> Tensor | Ragged:
    ragged = [part for part in parts if isinstance(part, Ragged)]
    if not ragged:
        return torch.cat([part for part in parts if isinstance(part, Tensor)])
    joined = join(ragged)
    assert isinstance(joined, Ragged)
    return joined
