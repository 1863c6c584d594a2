"""The train and val rows: ready features in memory, stored values read from their shards batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mmcli.errors import MmcliError, UsageError
from mmcli.registry import TASKS
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.stages.collate import collate
from mmcli.stages.encoding import to_device
from mmcli.stages.network_plan import feature_names
from mmcli.stages.prefetch import ahead
from mmcli.stages.transforms import NothingEarlier
from mmcli.stages.transforms.fuse import FuseTransform
from mmcli.store.columns import Array, ModalitySpec
from mmcli.store.samples import Samples
from mmcli.tasks import infer_task

if TYPE_CHECKING:
    from torch import nn

    from mmcli.models import Encoder
    from mmcli.tasks import Task

_ROWS = 1024
_LARGE = 2**30


@dataclass(frozen=True)
class Examples:
    """Rows for the network.

    Args:
        features: Ready features by modality, (B, D).
        present: Where each modality is present, (B,) bool.
        targets: (B,).
        rows: Which samples these are, (B,): stored values are read by it.
    """

    features: dict[str, Tensor]
    present: dict[str, Tensor]
    targets: Tensor
    rows: Array

    def take(self, rows: Tensor) -> Examples:
        """Return some of the rows."""
        return Examples(
            {name: value[rows] for name, value in self.features.items()},
            {name: value[rows] for name, value in self.present.items()},
            self.targets[rows],
            self.rows[rows.numpy()],
        )

    def batches(self, size: int, order: Tensor) -> Iterator[Examples]:
        """Return the rows in this order, in batches; a last batch of one row joins the one before it."""
        starts = list(range(0, len(order), size))
        if len(order) > size and len(order) % size == 1:
            starts.pop()
        ends = [*starts[1:], len(order)]
        return (self.take(order[start:end]) for start, end in zip(starts, ends, strict=True))


@dataclass(frozen=True)
class Inputs:
    """One batch on the device: what the network takes of each modality, presence (B,) and targets (B,)."""

    features: dict[str, Tensor | tuple[Tensor, ...]]
    present: dict[str, Tensor]
    targets: Tensor


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from and is judged by while it learns.

    Args:
        task: Knows the targets.
        train: The train rows.
        val: The val rows.
        samples: Holds the stored values.
        encoders: By modality, what stored values are collated for.
        device: Where batches go.
    """

    task: Task
    train: Examples
    val: Examples
    samples: Samples
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    device: str = "cpu"

    def to(self, device: str, encoders: Mapping[str, Encoder]) -> TrainingData:
        """Return it for a network with these encoders on a device."""
        if encoders:
            self.samples.keep_mapped()
        return replace(self, device=device, encoders=encoders)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Inputs]:
        """Return the train rows in an order drawn from the generator."""
        order = torch.randperm(len(self.train.targets), generator=generator)
        return self._inputs(self.train.batches(size, order))

    def validate(self, model: nn.Module, task: Task, size: int) -> dict[str, float]:
        """Return the loss and the task's metrics on the val rows."""
        order = torch.arange(len(self.val.targets))
        batches = self._inputs(self.val.batches(size if self.encoders else _ROWS, order))
        outputs = torch.cat([model(batch.features, batch.present) for batch in batches])
        loss = float(task.loss(outputs, self.val.targets.to(self.device)))
        if not torch.isfinite(outputs).all():
            return {"loss": float("nan")}  # of which training says what to do
        return {
            "loss": loss,
            **task.metrics(task.probabilities(outputs.cpu()), self.val.targets.numpy()),
        }

    def _inputs(self, batches: Iterator[Examples]) -> Iterator[Inputs]:
        """Read and collate; where there are stored values, a batch ahead of the network's work."""
        made = map(self._make, batches)
        return ahead(made) if self.encoders else made

    def _make(self, batch: Examples) -> Inputs:
        features: dict[str, Tensor | tuple[Tensor, ...]] = {
            name: value.to(self.device) for name, value in batch.features.items()
        }
        for name, encoder in self.encoders.items():
            column = self.samples.column(name, batch.rows)
            lengths = encoder.lengths(column)
            inputs = encoder.collate(column, None if lengths is None else int(lengths.max()))
            features[name] = tuple(to_device(value, self.device) for value in inputs)
        present = {name: value.to(self.device) for name, value in batch.present.items()}
        return Inputs(features, present, batch.targets.to(self.device))


def load_training_data(
    samples: Samples,
    fusing: FuseTransform | None,
    modalities: Mapping[str, ModalitySpec],
    encoded: Collection[str],
    target: str | None,
    task: str,
    reporter: Reporter,
) -> TrainingData:
    """Read the train and val rows that have any modality; the test rows are not looked at.

    Args:
        samples: The source.
        fusing: Scales the ready features; None where a fuse stage has done it.
        modalities: What the network will be given.
        encoded: Those among them that have an encoder: their values stay where they are.
        target: The column to learn.
        task: Its name, or ``auto``.
        reporter: Is told what was inferred and left out.

    Raises:
        MmcliError: There is no target, a split is empty, or targets are not as the task needs them.
    """
    if target is None:
        raise UsageError("no target: name the column to learn with --target")
    from mmcli.models.network import pool

    ready = [name for name in feature_names(modalities) if name not in encoded]
    parts: dict[str, list[Examples]] = {"train": [], "val": []}
    found: dict[str, list[object]] = {"train": [], "val": []}
    empty = 0
    for start, stop in samples.ranges(_ROWS):
        batch = samples.batch(start, stop, ready if fusing is None else list(fusing.inputs))
        if fusing is not None:
            batch = fusing.apply(batch, Runtime(), NothingEarlier())
        collated, present = collate(batch.columns, ready)
        features = {name: pool(feature) for name, feature in collated.items()}
        present |= {name: torch.from_numpy(samples.present(name, slice(start, stop))) for name in encoded}
        known = torch.stack(list(present.values())).any(dim=0).numpy()
        splits = np.array([row.get(samples.roles.split) for row in batch.rows])
        for split in parts:
            here = np.flatnonzero((splits == split) & known)
            empty += int(((splits == split) & ~known).sum())
            rows = torch.from_numpy(here)
            numbers = np.arange(start, stop)
            parts[split].append(Examples(features, present, torch.zeros(len(known)), numbers).take(rows))
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
    if len({str(value) for value in found["val"]}) == 1:
        reporter.warn(f"every val row has the same {target!r}: what is measured on them says little")
    train, val = (_join(parts[split], torch.from_numpy(made.encode(found[split]))) for split in ("train", "val"))
    absent = sorted(name for name, there in train.present.items() if not there.any())
    if absent:
        reporter.warn(f"{', '.join(absent)}: in no train row, so nothing is learnt of it")
    size = sum(value.nbytes for examples in (train, val) for value in examples.features.values())
    if size > _LARGE:
        reporter.note(f"features of the train and val rows are held in memory: {size / 2**30:.1f} GiB")
    return TrainingData(made, train, val, samples)


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
    first = parts[0]
    return Examples(
        {name: torch.cat([part.features[name] for part in parts]) for name in first.features},
        {name: torch.cat([part.present[name] for part in parts]) for name in first.present},
        targets,
        np.concatenate([part.rows for part in parts]),
    )
