"""Batches of train and val rows: ready features held in memory, stored values read from their shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.chain.collate import pad
from mmcli.chain.encoding import to_device
from mmcli.chain.length_batches import cut, cut_by_length, rank_by_length, read_lengths
from mmcli.chain.prefetch import ahead
from mmcli.store.columns import Array, Ragged
from mmcli.store.samples import Samples

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from mmcli.encoders import Encoder
    from mmcli.tasks import Task

_ROWS = 1024


@dataclass(frozen=True)
class Examples:
    """Rows for the network.

    Args:
        features: Ready features by modality: vectors (B, D), or the steps of feature maps (B, C, H, W) and sequences.
        present: Presence of each modality, (B,) bool.
        targets: Encoded targets, (B,) or (B, …); those of a task without a loss that are not numbers stay an array.
        rows: Sample indexes, (B,), by which stored values are read.
    """

    features: dict[str, Tensor | Ragged]
    present: dict[str, Tensor]
    targets: Tensor | Array
    rows: Array

    @property
    def encoded(self) -> Array:
        """The encoded targets as an array."""
        return self.targets if isinstance(self.targets, np.ndarray) else self.targets.numpy()

    @property
    def numbers(self) -> Tensor:
        """The encoded targets as a tensor, for a task with a loss."""
        assert not isinstance(self.targets, np.ndarray)
        return self.targets

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
    """One batch on the device: the network's input for each modality, presence (B,) and targets (B, …)."""

    features: dict[str, Tensor | tuple[Tensor, ...]]
    present: dict[str, Tensor]
    targets: Tensor


@dataclass(frozen=True)
class TrainingData:
    """The data that a network is trained and validated on.

    Args:
        task: The task of the targets.
        train: The train rows.
        val: The val rows.
        samples: Holds the stored values.
        encoders: The encoder of each encoded modality, which collates its stored values.
        device: The device of the batches.
        lengths: Lengths of the train rows, for ready sequences and encoders of sequences; see ``read_lengths``.
        ranks: Ranks of the train rows by length; None if all are equally long.
        drawn: The train rows to train on, with repetitions; None is each once.
    """

    task: Task
    train: Examples
    val: Examples
    samples: Samples
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    device: str = "cpu"
    lengths: Mapping[str, Array] = field(default_factory=dict)
    ranks: Tensor | None = None
    drawn: Tensor | None = None

    @property
    def encoded(self) -> Array:
        """The encoded targets of the rows to train on."""
        return self.train.encoded if self.drawn is None else self.train.encoded[self.drawn.numpy()]

    def to(self, device: str, encoders: Mapping[str, Encoder]) -> TrainingData:
        """Return the data for a network with these encoders on a device."""
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
        """Yield batches of the rows to train on in random order, rows of similar length together."""
        import torch

        drawn = self.drawn
        order = torch.randperm(len(self.train.targets) if drawn is None else len(drawn), generator=generator)
        order = order if drawn is None else drawn[order]
        rows = cut(order, size) if self.ranks is None else cut_by_length(order, self.ranks, size, generator)
        return self._inputs(self.train, rows)

    def longest(self) -> Tensor:
        """Return train rows that include the longest of each modality; at least two."""
        import torch

        rows = list(dict.fromkeys(int(own.argmax()) for own in self.lengths.values()))
        return torch.tensor((rows or [0]) * (1 if len(rows) > 1 else 2))

    def validate(self, model: nn.Module, task: Task, size: int) -> dict[str, float]:
        """Return the loss and metrics on the val rows; for a head trained by teacher forcing, the task's own values."""
        import torch

        from mmcli.models.network import Network

        if isinstance(model, Network) and model.taught:
            return self._taught(model, task, size)
        outputs = self.outputs(model, self.val, size)
        loss = float(task.loss(outputs, self._moved(self.val.targets)))
        if not torch.isfinite(outputs).all():
            return {"loss": float("nan")}  # training reports what to do
        return {
            "loss": loss,
            **task.metrics(task.predictions(outputs.cpu()), self.val.encoded),
        }

    def _taught(self, model: nn.Module, task: Any, size: int) -> dict[str, float]:
        """Return the task's values of sums over batches; outputs are not kept because they are large."""
        import torch

        sums = [
            task.taught_sums(model(batch.features, batch.present, batch.targets), batch.targets)
            for batch in self._inputs(self.val, cut(torch.arange(len(self.val.targets)), size))
        ]
        values: dict[str, float] = task.taught_values(torch.stack(sums).sum(dim=0))
        return values

    def predictions(self, model: nn.Module, task: Task, size: int) -> tuple[Array, Array]:
        """Return a trained model's predictions for the val rows, and their targets."""
        outputs, encoded = self.val_outputs(model, size)
        return task.predictions(outputs), encoded

    def val_outputs(self, model: nn.Module, size: int) -> tuple[Tensor, Array]:
        """Return a trained model's outputs for the val rows, (N, K) on the CPU, and their targets."""
        import torch

        with torch.no_grad():
            outputs = self.outputs(model, self.val, size)
        return outputs.cpu(), self.val.encoded

    def outputs(self, model: Callable[..., Tensor], examples: Examples, size: int) -> Tensor:
        """Return the model's outputs for these rows, in order."""
        import torch

        rows = cut(torch.arange(len(examples.targets)), size if self.encoders or self.lengths else _ROWS)
        return torch.cat([model(batch.features, batch.present) for batch in self._inputs(examples, rows)])

    def _inputs(self, examples: Examples, rows: Iterable[Tensor]) -> Iterator[Inputs]:
        """Read and collate batches; if there are stored values, one batch ahead of the network."""
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

    def _moved(self, targets: Tensor | Array) -> Tensor:
        """Move targets to the device (Metal has no float64); only numbers can be moved."""
        import torch

        if isinstance(targets, np.ndarray):
            return torch.zeros(len(targets))
        narrowed = targets.float() if self.device == "mps" and targets.is_floating_point() else targets
        return narrowed.to(self.device)
