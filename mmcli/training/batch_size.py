"""How many stored rows a network can learn from at once, so that what it keeps of them fits in memory."""

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
"""What is kept for the way back, with the gradients made on it, to what is kept alone."""
_STEP_COPIES, _CHECKPOINT_COPIES = 3, 4
"""Of each weight that learns beside itself: its gradient and two moments; and, in the memory of the CPU, two states of
the weights and the moments."""


@dataclass(frozen=True)
class Cost:
    """The bytes that training takes: some in any case, and some for each row of a batch."""

    fixed: int
    row: int

    def of(self, rows: int) -> int:
        """Return the bytes for a batch of so many rows."""
        return self.fixed + rows * self.row


def choose_batch_size(network: Network, data: TrainingData, most: int, reporter: Reporter) -> int:
    """Return ``most``, halved until a batch of the longest rows fits in memory, and say so if that is less.

    The network keeps its weights, statistics and random numbers, and is left in training mode. Where every modality
    comes as vectors, of which batches are small, ``most`` is taken.
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
            f"batches of {size} rows: {most} would take about {_gigabytes(cost.of(most))} beside the "
            f"{_gigabytes(budget)} of memory there is for them (--batch-size chooses)"
        )
    return size


def measure_cost(network: Network, data: TrainingData) -> Cost:
    """Return what training takes, by what two small batches of the longest rows keep for the way back."""
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
    """Let a network in training mode, no modality dropped, compute, and undo what that does to its statistics."""
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
    """Return the bytes of what a network keeps of a batch for the way back, and of the batches made meanwhile.

    Every modality of every row counts as present: in training, absent ones are not encoded.
    """
    import torch

    from mmcli.models.network import Network

    weights = {value.untyped_storage().data_ptr() for value in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(value: Tensor) -> None:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, so that no later one lies at the same address

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        present = {name: torch.ones_like(value) for name, value in batch.present.items()}
        network(batch.features, present, *([batch.targets] if isinstance(network, Network) and network.taught else []))
    inputs = [part for value in batch.features.values() for part in (value if isinstance(value, tuple) else (value,))]
    return sum(storage.nbytes() for storage in kept.values()) + MADE_AT_ONCE * sum(part.nbytes for part in inputs)


def require_room(planned: Network, device: str) -> None:
    """Refuse a network whose weights, with what is kept of those that learn, are more than the memory that is free.

    Args:
        planned: The network, on the device ``meta``.
        device: Where it is to learn.

    Raises:
        MmcliError: It is too large.
    """
    free = free_memory(device)
    weights = list(planned.parameters())
    needed = sum(value.nbytes * (1 + _STEP_COPIES * value.requires_grad) for value in weights)
    if free is not None and needed > free:
        count = sum(value.numel() for value in weights)
        raise MmcliError(
            f"a network of {count:,} parameters takes {_gigabytes(needed)} to learn, and {_gigabytes(free)} of memory "
            "are free: lower --hidden, --projection or the dim of --method or --encoder"
        )


def does_not_fit(rows: int, device: str) -> MmcliError:
    """Return what is said where a batch of so many rows has not found its memory."""
    found = f"--device {device}: its memory does not hold a batch of {rows} row{'s' * (rows > 1)} in training"
    return MmcliError(f"{found}; try {f'--batch-size {rows // 2}' if rows > 1 else 'a smaller --encoder'}")


def _gigabytes(number: int) -> str:
    return f"{number / 2**30:.2g} GiB"
