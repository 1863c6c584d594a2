"""The training loop: it knows batches and a loss, but nothing about modalities, tasks or files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.store.state import State

Batch = TypeVar("Batch")
Ending = Literal["epochs", "patience", "stopped"]
PLATEAU_EPOCHS = 5


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained.

    Args:
        epochs: Maximum number of passes over the train rows, at least 1.
        lr: The learning rate after warm-up, above 0.
        weight_decay: AdamW's decay of matrices and kernels; biases, norms and other vectors are not decayed.
        l1: Weight of the L1 penalty on the parameters that ``weight_decay`` applies to.
        schedule: ``cosine`` decays to nearly 0 over ``epochs``; ``plateau`` halves after 5 epochs without
            improvement; ``constant`` does not change.
        warmup: Number of epochs over which the rate rises to ``lr``.
        clip_norm: Maximum gradient norm of a step; None disables clipping.
        patience: Number of epochs without improvement after which training ends; None disables early stopping.
        min_epochs: Minimum number of epochs before ``patience`` can end training.
        monitor: The validation value that decides which epoch is best.
        mode: Whether the best value is the smallest or the largest; in a tie the earlier epoch is kept.
        seed: Seed of the order of rows and of dropout, together with the epoch's number.
    """

    epochs: int = 40
    lr: float = 1e-3
    weight_decay: float = 0.01
    l1: float = 0.0
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: int = 2
    clip_norm: float | None = 1.0
    patience: int | None = 8
    min_epochs: int = 1
    monitor: str = "loss"
    mode: Literal["min", "max"] = "min"
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "min_epochs": 1, "patience": 1, "weight_decay": 0, "l1": 0, "warmup": 0}
        for name, low in least.items():
            if getattr(self, name) is not None and not getattr(self, name) >= low:
                raise MmcliError(f"training: {name} must be at least {low}, not {getattr(self, name)}")
        for name in ("lr", "clip_norm"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise MmcliError(f"training: {name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class Epoch:
    """One pass over the train rows.

    Args:
        number: The number of the epoch, from 1.
        lr: The learning rate.
        loss: The mean of the batches' losses, without ``l1``.
        values: What validation returned.
        improved: Whether it is the best so far.
    """

    number: int
    lr: float
    loss: float
    values: dict[str, float]
    improved: bool


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to continue after an epoch; every epoch seeds its own random numbers."""

    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    history: tuple[Epoch, ...]

    def to_state(self) -> State:
        """Return it as JSON values and arrays."""
        named = {f"weights/{name}": value for name, value in self.weights.items()}
        named |= {f"best/{name}": value for name, value in self.best.items()}
        for index, moments in self.optimizer.items():
            named |= {f"optimizer/{index}/{name}": value for name, value in moments.items()}
        shapes = {name: list(value.shape) for name, value in named.items()}
        arrays = {name: value.numpy() for name, value in named.items()}
        return State({"history": [asdict(epoch) for epoch in self.history], "shapes": shapes}, arrays)

    @classmethod
    def from_state(cls, state: State) -> Checkpoint:
        """Read what ``to_state`` returned."""
        found: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "optimizer": {}}
        for name, shape in state.values["shapes"].items():
            part, _, rest = name.partition("/")
            found[part][rest] = torch.from_numpy(np.array(state.tensors[name]).reshape(shape))
        optimizer: dict[int, dict[str, Tensor]] = {}
        for name, value in found["optimizer"].items():
            index, _, moment = name.partition("/")
            optimizer.setdefault(int(index), {})[moment] = value
        history = tuple(Epoch(**record) for record in state.values["history"])
        return cls(found["weights"], found["best"], optimizer, history)


@dataclass(frozen=True)
class Outcome:
    """The result of training; ``reason`` is what ended it: the number of epochs, patience or ``should_stop``."""

    history: tuple[Epoch, ...]
    best: Epoch
    reason: Ending


def fit(
    model: nn.Module,
    batches: Callable[[torch.Generator], Iterable[Batch]],
    loss: Callable[[nn.Module, Batch], Tensor],
    validate: Callable[[nn.Module], dict[str, float]],
    options: TrainingOptions,
    *,
    lr_scale: Callable[[str], float] = lambda name: 1.0,
    on_epoch: Callable[[Epoch, Checkpoint], None] = lambda epoch, checkpoint: None,
    checkpoint: Checkpoint | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train the model and leave it in eval mode with the weights of the best epoch.

    Args:
        model: Trained in place, on the device it is on.
        batches: Returns the batches of an epoch, in an order drawn from the generator.
        loss: Returns the scalar to minimise, averaged over a batch.
        validate: Returns finite values, ``options.monitor`` among them; called in eval mode, without gradients.
        options: How to train.
        lr_scale: Returns the factor of a parameter's learning rate, by the parameter's name.
        on_epoch: Called after each epoch with everything needed to continue from there.
        checkpoint: Where to continue; the result is bit-identical to that of an uninterrupted run.
        should_stop: Called after each epoch.

    Raises:
        MmcliError: The loss is no longer finite, there is no batch, or validation lacks the monitored value.
    """
    optimizer = _optimizer(model, options, lr_scale)
    history: list[Epoch] = []
    best: dict[str, Tensor] = {}
    if checkpoint is not None:
        history, best = list(checkpoint.history), checkpoint.best
        model.load_state_dict(checkpoint.weights)
        groups = optimizer.state_dict()["param_groups"]
        moments = {index: _copy(state) for index, state in checkpoint.optimizer.items()}
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        _lay_out(optimizer)
    reason: Ending | None = _ended(history, options)
    while reason is None:
        number, rate = len(history) + 1, learning_rate(options, history)
        model_seed, order_seed = np.random.SeedSequence([options.seed, number]).generate_state(2).tolist()
        torch.manual_seed(model_seed)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
        model.train()
        losses = [
            _step(model, optimizer, loss(model, batch), options)
            for batch in batches(torch.Generator().manual_seed(order_seed))
        ]
        if not losses:
            raise MmcliError("there is no batch to train on")
        mean = float(torch.stack(losses).cpu().double().mean())
        model.eval()
        with torch.no_grad():
            values = validate(model) if math.isfinite(mean) else {}
        epoch = Epoch(number, rate, mean, values, _improves(values, mean, number, history, options))
        history.append(epoch)
        weights = _copy(model.state_dict())
        best = weights if epoch.improved else best
        moments = {index: _copy(state) for index, state in optimizer.state_dict()["state"].items()}
        on_epoch(epoch, Checkpoint(weights, best, moments, tuple(history)))
        reason = "stopped" if should_stop() else _ended(history, options)
    model.load_state_dict(best)
    model.eval()
    return Outcome(tuple(history), [epoch for epoch in history if epoch.improved][-1], reason)


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, value: Tensor, options: TrainingOptions) -> Tensor:
    optimizer.zero_grad(set_to_none=True)
    penalty = options.l1 * sum(matrix.abs().sum() for matrix in _decayed(model)) if options.l1 else 0.0
    (value + penalty).backward()  # type: ignore[no-untyped-call]
    if options.clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), options.clip_norm)
    optimizer.step()
    return value.detach()


def _improves(
    values: Mapping[str, float], loss: float, number: int, history: Sequence[Epoch], options: TrainingOptions
) -> bool:
    if not math.isfinite(loss) or not all(map(math.isfinite, values.values())):
        raise MmcliError(f"the loss is no longer finite in epoch {number}: try a lower --lr than {options.lr:g}")
    if options.monitor not in values:
        raise MmcliError(f"validation has no value {options.monitor!r}: there are {', '.join(values)}")
    sign = 1 if options.mode == "max" else -1
    return all(sign * values[options.monitor] > sign * epoch.values[options.monitor] for epoch in history)


def _ended(history: Sequence[Epoch], options: TrainingOptions) -> Ending | None:
    if len(history) >= options.epochs:
        return "epochs"
    waited = len(history) - max((epoch.number for epoch in history if epoch.improved), default=0)
    late = options.patience is not None and waited >= options.patience
    return "patience" if late and len(history) >= options.min_epochs else None


def learning_rate(options: TrainingOptions, history: Sequence[Epoch]) -> float:
    """Return the rate of the epoch that comes after ``history``."""
    done = len(history)
    if done < options.warmup:
        return options.lr * (done + 1) / (options.warmup + 1)
    if options.schedule == "cosine":
        progress = (done - options.warmup) / max(options.epochs - options.warmup, 1)
        return options.lr * (1 + math.cos(math.pi * progress)) / 2
    waited = halvings = 0
    for epoch in history if options.schedule == "plateau" else ():
        waited = 0 if epoch.improved else waited + 1
        halvings, waited = (halvings + 1, 0) if waited == PLATEAU_EPOCHS else (halvings, waited)
    return options.lr * 0.5**halvings


def _decayed(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim > 1]


def _optimizer(model: nn.Module, options: TrainingOptions, lr_scale: Callable[[str], float]) -> torch.optim.Optimizer:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = options.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((lr_scale(name), decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": own, "lr_scale": scale, "weight_decay": decay} for (scale, decay), own in groups.items()],
        lr=options.lr, fused=True,
    )  # fmt: skip


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Lay the moments out in memory as their parameters are: on a GPU, fused AdamW takes no other ones."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def _copy(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
