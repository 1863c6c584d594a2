"""The train and val rows as tensors in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mmcli.errors import MmcliError, UsageError
from mmcli.registry import TASKS
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.stages.model import feature_names, pooled
from mmcli.stages.transforms import NothingEarlier
from mmcli.stages.transforms.fuse import FuseTransform
from mmcli.store.columns import ModalitySpec
from mmcli.store.samples import Samples
from mmcli.tasks import infer_task

if TYPE_CHECKING:
    from torch import nn

    from mmcli.tasks import Task

_ROWS = 1024
_LARGE = 2**30


@dataclass(frozen=True)
class Examples:
    """Rows for the network: features (B, D) and presence (B,) by modality, targets (B,)."""

    features: dict[str, Tensor]
    present: dict[str, Tensor]
    targets: Tensor

    def take(self, rows: Tensor | slice) -> Examples:
        """Return some of the rows."""
        return Examples(
            {name: value[rows] for name, value in self.features.items()},
            {name: value[rows] for name, value in self.present.items()},
            self.targets[rows],
        )

    def to(self, device: str) -> Examples:
        """Return them on a device."""
        return Examples(
            {name: value.to(device) for name, value in self.features.items()},
            {name: value.to(device) for name, value in self.present.items()},
            self.targets.to(device),
        )

    def batches(self, size: int, order: Tensor) -> Iterator[Examples]:
        """Return the rows in this order, in batches; a last batch of one row joins the one before it."""
        starts = list(range(0, len(order), size))
        if len(order) > size and len(order) % size == 1:
            starts.pop()
        ends = [*starts[1:], len(order)]
        return (self.take(order[start:end]) for start, end in zip(starts, ends, strict=True))


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from and is judged by while it learns."""

    task: Task
    train: Examples
    val: Examples

    @property
    def train_targets(self) -> Tensor:
        """The encoded targets of the train rows."""
        return self.train.targets

    def to(self, device: str) -> TrainingData:
        """Return it on a device."""
        return TrainingData(self.task, self.train.to(device), self.val.to(device))

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Examples]:
        """Return the train rows in an order drawn from the generator."""
        order = torch.randperm(len(self.train.targets), generator=generator)
        return self.train.batches(size, order.to(self.train.targets.device))

    def validate(self, model: nn.Module, task: Task) -> dict[str, float]:
        """Return the loss and the task's metrics on the val rows."""
        order = torch.arange(len(self.val.targets), device=self.val.targets.device)
        outputs = torch.cat([model(batch.features, batch.present) for batch in self.val.batches(_ROWS, order)])
        loss = float(task.loss(outputs, self.val.targets))
        return {
            "loss": loss,
            **task.metrics(task.probabilities(outputs.cpu()), self.val.targets.cpu().numpy()),
        }


def load_training_data(
    samples: Samples,
    fusing: FuseTransform | None,
    modalities: Mapping[str, ModalitySpec],
    target: str | None,
    task: str,
    reporter: Reporter,
) -> TrainingData:
    """Read the train and val rows that have any modality; the test rows are not looked at.

    Raises:
        MmcliError: There is no target, a split is empty, or targets are not as the task needs them.
    """
    if target is None:
        raise UsageError("no target: name the column to learn with --target")
    names = feature_names(modalities)
    parts: dict[str, list[Examples]] = {"train": [], "val": []}
    found: dict[str, list[object]] = {"train": [], "val": []}
    empty = 0
    for start, stop in samples.ranges(_ROWS):
        batch = samples.batch(start, stop, None if fusing is not None else names)
        if fusing is not None:
            batch = fusing.apply(batch, Runtime(), NothingEarlier())
        features, present = pooled(batch.columns, names)
        known = torch.stack(list(present.values())).any(dim=0).numpy()
        splits = np.array([row.get(samples.roles.split) for row in batch.rows])
        for split in parts:
            here = np.flatnonzero((splits == split) & known)
            empty += int(((splits == split) & ~known).sum())
            rows = torch.from_numpy(here)
            parts[split].append(Examples(features, present, torch.zeros(len(known))).take(rows))
            found[split] += [_target(batch.rows[row], target, samples) for row in here]
    if empty:
        reporter.warn(f"{empty} train or val rows have no modality at all and are not learnt from")
    for split, targets in found.items():
        if not targets:
            raise MmcliError(f"{samples.name}: no {split} rows with features; train needs some of both train and val")
    name = infer_task(found["train"]) if task == "auto" else task
    if task == "auto":
        reporter.note(f"task: {name} of {target!r} (--task chooses)")
    made: Task = TASKS.load(name)()
    made.fit(found["train"])
    _leave_out_unknown(made, parts["val"], found["val"], target, reporter)
    train, val = (_join(parts[split], torch.from_numpy(made.encode(found[split]))) for split in ("train", "val"))
    size = sum(value.nbytes for examples in (train, val) for value in examples.features.values())
    if size > _LARGE:
        reporter.note(f"features of the train and val rows are held in memory: {size / 2**30:.1f} GiB")
    return TrainingData(made, train, val)


def _leave_out_unknown(
    task: Task, parts: list[Examples], targets: list[object], target: str, reporter: Reporter
) -> None:
    """Take val rows whose target no train row has out of ``parts`` and ``targets``: nothing can predict them."""
    known = [task.known(value) for value in targets]
    if all(known):
        return
    unknown = sorted({str(value) for value, there in zip(targets, known, strict=True) if not there})
    if not any(known):
        raise MmcliError(f"no val row has a {target!r} that a train row has, too (found {', '.join(unknown[:5])})")
    shown = f"{', '.join(unknown[:5])}{' …' if len(unknown) > 5 else ''}"
    reporter.warn(f"{known.count(False)} val rows have a {target!r} that no train row has ({shown}): left out")
    start = 0
    for number, part in enumerate(parts):
        stop = start + len(part.targets)
        parts[number] = part.take(torch.from_numpy(np.flatnonzero(known[start:stop])))
        start = stop
    targets[:] = [value for value, there in zip(targets, known, strict=True) if there]


def _target(row: Mapping[str, object], target: str, samples: Samples) -> object:
    if target not in row:
        raise MmcliError(f"{samples.name}: no column {target!r} for the target (there are: {', '.join(row)})")
    value = row[target]
    if value is None or str(value).strip() == "":
        raise MmcliError(f"sample {row[samples.roles.id]!r}: its target (column {target!r}) is empty")
    return value


def _join(parts: list[Examples], targets: Tensor) -> Examples:
    names = list(parts[0].features)
    return Examples(
        {name: torch.cat([part.features[name] for part in parts]) for name in names},
        {name: torch.cat([part.present[name] for part in parts]) for name in names},
        targets,
    )
