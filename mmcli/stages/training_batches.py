"""Batches of train and val rows: ready features as they lie in memory, stored values read from their shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mmcli.stages.collate import pad
from mmcli.stages.encoding import to_device
from mmcli.stages.length_batches import cut, cut_by_length, rank_by_length, read_lengths
from mmcli.stages.prefetch import ahead
from mmcli.store.columns import Array, Ragged
from mmcli.store.samples import Samples

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from mmcli.models import Encoder
    from mmcli.tasks import Task

_ROWS = 1024


@dataclass(frozen=True)
class Examples:
    """Rows for the network.

    Args:
        features: Ready features by modality: vectors (B, D), or the steps of feature maps (B, C, H, W) and sequences.
        present: Where each modality is present, (B,) bool.
        targets: As the task encodes them, (B,) or (B, …).
        rows: Which samples these are, (B,): stored values are read by it.
    """

    features: dict[str, Tensor | Ragged]
    present: dict[str, Tensor]
    targets: Tensor
    rows: Array

    def take(self, rows: Tensor) -> Examples:
        """Return some of the rows."""
        return Examples(
            {
                name: value.take(rows.numpy()) if isinstance(value, Ragged) else value[rows]
                for name, value in self.features.items()
            },
            {name: value[rows] for name, value in self.present.items()},
            self.targets[rows],
            self.rows[rows.numpy()],
        )


@dataclass(frozen=True)
class Inputs:
    """One batch on the device: what the network takes of each modality, presence (B,) and targets (B, …)."""

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
        lengths: Of the train rows, for ready sequences and encoders of what differs in length; see ``read_lengths``.
        ranks: Of the train rows by length; None where all are equally long.
    """

    task: Task
    train: Examples
    val: Examples
    samples: Samples
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    device: str = "cpu"
    lengths: Mapping[str, Array] = field(default_factory=dict)
    ranks: Tensor | None = None

    def to(self, device: str, encoders: Mapping[str, Encoder]) -> TrainingData:
        """Return it for a network with these encoders on a device."""
        lengths = {
            name: np.diff(value.offsets) if isinstance(value, Ragged) else np.full(len(value), value[0, 0].numel())
            for name, value in self.train.features.items()
            if isinstance(value, Ragged) or value.dim() > 2
        }
        if encoders:
            self.samples.keep_mapped()
            lengths |= read_lengths(self.samples, self.train.rows, encoders)
        return replace(self, device=device, encoders=encoders, lengths=lengths, ranks=rank_by_length(lengths))

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Inputs]:
        """Return the train rows in an order drawn from the generator, those of similar length together."""
        import torch

        order = torch.randperm(len(self.train.targets), generator=generator)
        rows = cut(order, size) if self.ranks is None else cut_by_length(order, self.ranks, size, generator)
        return self._inputs(self.train, rows)

    def longest(self) -> Tensor:
        """Return train rows among which is the longest of each modality: two, or as many as modalities differ."""
        import torch

        rows = list(dict.fromkeys(int(own.argmax()) for own in self.lengths.values()))
        return torch.tensor((rows or [0]) * (1 if len(rows) > 1 else 2))

    def validate(self, model: nn.Module, task: Task, size: int) -> dict[str, float]:
        """Return the loss and the task's metrics on the val rows."""
        import torch

        outputs = self.outputs(model, self.val, size)
        loss = float(task.loss(outputs, self._moved(self.val.targets)))
        if not torch.isfinite(outputs).all():
            return {"loss": float("nan")}  # of which training says what to do
        return {
            "loss": loss,
            **task.metrics(task.predictions(outputs.cpu()), self.val.targets.numpy()),
        }

    def predictions(self, model: nn.Module, task: Task, size: int) -> tuple[Array, Array]:
        """Return what a trained model predicts for the val rows, and their targets."""
        import torch

        with torch.no_grad():
            outputs = self.outputs(model, self.val, size)
        return task.predictions(outputs.cpu()), self.val.targets.numpy()

    def outputs(self, model: Callable[..., Tensor], examples: Examples, size: int) -> Tensor:
        """Return what a model makes of the features and presence of these rows, in their order."""
        import torch

        rows = cut(torch.arange(len(examples.targets)), size if self.encoders or self.lengths else _ROWS)
        return torch.cat([model(batch.features, batch.present) for batch in self._inputs(examples, rows)])

    def _inputs(self, examples: Examples, rows: Iterable[Tensor]) -> Iterator[Inputs]:
        """Read and collate; where there are stored values, a batch ahead of the network's work."""
        made = map(self.make, map(examples.take, rows))
        return ahead(made) if self.encoders else made

    def make(self, batch: Examples) -> Inputs:
        """Read and collate the stored values of a batch, and move it to the device."""
        features: dict[str, Tensor | tuple[Tensor, ...]] = {
            name: tuple(part.to(self.device) for part in pad(value))
            if isinstance(value, Ragged)
            else value.to(self.device)
            for name, value in batch.features.items()
        }
        for name, encoder in self.encoders.items():
            column = self.samples.column(name, batch.rows)
            lengths = encoder.lengths(column)
            inputs = encoder.collate(column, None if lengths is None else int(lengths.max()))
            features[name] = tuple(to_device(value, self.device) for value in inputs)
        present = {name: value.to(self.device) for name, value in batch.present.items()}
        return Inputs(features, present, self._moved(batch.targets))

    def _moved(self, targets: Tensor) -> Tensor:
        """Return targets on the device; Metal has no float64."""
        narrowed = targets.float() if self.device == "mps" and targets.is_floating_point() else targets
        return narrowed.to(self.device)
