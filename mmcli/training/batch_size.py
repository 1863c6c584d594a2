"""Chooses the batch size so that training fits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmcli.chain.prefetch import MADE_AT_ONCE
from mmcli.errors import MmcliError
from mmcli.reporting import Reporter
from mmcli.training.memory import free_memory, memory_budget

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.models.network import Network
    from mmcli.training.data import Inputs, TrainingData

_BACKWARD = 1.5
"""Ratio of activations plus their gradients to activations alone."""
_STEP_COPIES, _CHECKPOINT_COPIES = 3, 4
"""Copies of each trained weight: its gradient and two moments; in CPU memory also two checkpoints of weights and
moments."""


@dataclass(frozen=True)
class Cost:
    """The memory needed for training in bytes: a fixed part, and a part per row of a batch."""

    fixed: int
    row: int

    def of(self, rows: int) -> int:
        """Return the bytes for a batch of this many rows."""
        return self.fixed + rows * self.row


def choose_batch_size(network: Network, data: TrainingData, most: int, reporter: Reporter) -> int:
    """Return ``most``, halved until a batch of the longest rows fits in memory; report if that is less.

    The network's weights, statistics and random state are unchanged; it is left in training mode. If every modality is
    a vector, whose batches are small, the result is ``most``.
    """
    budget = memory_budget(data.device) if data.encoders or data.lengths else None
    if budget is None:
        return most
    cost = measure_cost(network, data)
    size = most
    while size > 1 and cost.of(size) > budget:
        size //= 2
    if size < most:
        reporter.note(
            f"batches of {size} rows: {most} rows would need about {_gigabytes(cost.of(most))}, but only "
            f"{_gigabytes(budget)} of memory are available (--batch-size chooses)"
        )
    return size


def measure_cost(network: Network, data: TrainingData) -> Cost:
    """Estimate the memory for training from the activations of two small batches of the longest rows."""
    import torch

    rows = data.longest()
    with _untouched(network, data.device):
        few, many = (_kept(network, data.make(data.train.take(part))) for part in (rows, torch.cat([rows, rows])))
    each = max(0, many - few) // len(rows)
    learnt = sum(value.nbytes for value in network.parameters() if value.requires_grad)
    copies = _STEP_COPIES + (_CHECKPOINT_COPIES if data.device == "cpu" else 0)
    return Cost(copies * learnt + max(0, few - each * len(rows)), int(each * _BACKWARD))


@contextmanager
def _untouched(network: Network, device: str) -> Iterator[None]:
    """Run a network in training mode without modality dropout, and restore its statistics afterwards."""
    import torch

    statistics = {name: value.clone() for name, value in network.named_buffers()}
    dropped = network.modality_dropout
    network.train()
    network.modality_dropout = 0.0
    try:
        with torch.random.fork_rng([torch.cuda.current_device()] if device == "cuda" else []):
            yield
    finally:
        network.modality_dropout = dropped
        for name, value in network.named_buffers():
            value.copy_(statistics[name])


def _kept(network: Network, batch: Inputs) -> int:
    """Return the bytes of the activations saved for backward, including batches created meanwhile.

    Every modality of every row counts as present: in training, absent ones are not encoded.
    """
    import torch

    from mmcli.models.network import Network

    weights = {value.untyped_storage().data_ptr() for value in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(value: Tensor) -> None:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # kept alive, so that no later one gets the same address

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        present = {name: torch.ones_like(value) for name, value in batch.present.items()}
        network(batch.features, present, *([batch.targets] if isinstance(network, Network) and network.taught else []))
    inputs = [part for value in batch.features.values() for part in (value if isinstance(value, tuple) else (value,))]
    return sum(storage.nbytes() for storage in kept.values()) + MADE_AT_ONCE * sum(part.nbytes for part in inputs)


def require_room(planned: Network, device: str) -> None:
    """Reject a network whose weights and optimizer state do not fit in free memory.

    Args:
        planned: The network, on device ``meta``.
        device: The training device.

    Raises:
        MmcliError: It is too large.
    """
    free = free_memory(device)
    weights = list(planned.parameters())
    needed = sum(value.nbytes * (1 + _STEP_COPIES * value.requires_grad) for value in weights)
    if free is not None and needed > free:
        count = sum(value.numel() for value in weights)
        raise MmcliError(
            f"training a network of {count:,} parameters needs {_gigabytes(needed)}, but only {_gigabytes(free)} of "
            "memory are free: lower --hidden, --projection or the dim of --method or --encoder"
        )


def does_not_fit(rows: int, device: str) -> MmcliError:
    """Return the error for a batch of this many rows that does not fit in memory."""
    found = f"--device {device}: a train batch of {rows} row{'s' * (rows > 1)} does not fit in its memory"
    return MmcliError(f"{found}; try {f'--batch-size {rows // 2}' if rows > 1 else 'a smaller --encoder'}")


def _gigabytes(number: int) -> str:
    return f"{number / 2**30:.2g} GiB"
