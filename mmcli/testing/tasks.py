"""The contract test of tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcli.evaluation.headline import headline
from mmcli.registry import TASKS, parse_spec
from mmcli.tasks import Task, mode_of
from mmcli.tasks.abilities import ComparesModalities, Tunes
from mmcli.testing.task_abilities import check_abilities


def check_task(text: str, targets: Sequence[Any], made: Task | None = None) -> None:
    """Check that a task keeps the contract of ``mmcli.tasks.Task``.

    It decodes what it encodes; its loss has a gradient, and outputs that minimise it score better on its own metrics
    than zeros; its metrics, baselines and prior are finite and have the same form; restored from its state, it behaves
    the same; its abilities of ``mmcli.tasks.abilities`` work.

    Args:
        text: Its name and options, as in ``--task``.
        targets: Valid targets, as ``decode`` returns them.
        made: The task, if it is not built by name.

    Raises:
        AssertionError: It violates the contract.
    """
    task = made if made is not None else TASKS.build(parse_spec(text))
    if isinstance(task, ComparesModalities):
        task.take_modalities(["image", "text"])
    task.fit(targets)
    encoded = task.encode(targets)
    outputs = outputs_of(task, encoded)
    if task.link != "cluster":  # networks do not learn clusters
        _check_learning(task, targets, encoded, outputs)
    check_abilities(task, targets, encoded, predicted(task, outputs, encoded), given(task, outputs))
    _check_state(text, task, targets, encoded, outputs)


def outputs_of(task: Task, encoded: NDArray[Any]) -> Tensor:
    """Return random outputs: numbers for each row, embeddings of its modalities, or numbers for each token."""
    rows = int((encoded != 0).sum()) if task.link == "tokens" else len(encoded)
    return torch.randn(rows, task.out_dim, *([5] if task.link == "embedding" else []))


def given(task: Task, outputs: Tensor) -> Tensor:
    """Return the loss's input for outputs: unchanged, or log probabilities of tokens."""
    return outputs.log_softmax(dim=1) if task.link == "tokens" else outputs


def predicted(task: Task, outputs: Tensor, encoded: NDArray[Any]) -> NDArray[np.float64]:
    """Return the task's predictions for outputs; for tokens, the likeliest ones of each row's first text."""
    if task.link != "tokens":
        return task.predictions(outputs)
    rows = np.repeat(np.arange(encoded.shape[0] * encoded.shape[1]), (encoded != 0).sum(axis=2).ravel())
    made = torch.full((len(encoded), len(task.prior())), -1.0)
    for row in range(len(encoded)):
        tokens = outputs[torch.from_numpy(rows == row * encoded.shape[1])].argmax(dim=1)[:-1]
        made[row, : 1 + len(tokens)] = torch.tensor([-0.5, *tokens.tolist()])
    return task.predictions(made)


def _check_learning(task: Task, targets: Sequence[Any], encoded: NDArray[Any], drawn: Tensor) -> None:
    assert task.decode(encoded) == list(targets), "it does not decode what it encodes"
    assert len(encoded) == len(targets)
    assert all(task.known(target) and task.fault(target) is None for target in targets), "it rejects its own targets"
    wanted = torch.from_numpy(encoded)
    outputs = drawn.clone().requires_grad_()
    loss = task.loss(given(task, outputs), wanted)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.shape == ()
    assert loss.isfinite()
    assert outputs.grad is not None
    assert outputs.grad.abs().sum() > 0, "the loss has no gradient"
    optimum = (0.01 * torch.randn_like(outputs)).requires_grad_()  # at zeros, all embeddings are equal
    optimizer = torch.optim.Adam([optimum], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        task.loss(given(task, optimum), wanted).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    measured = []
    for found in (optimum, torch.zeros_like(outputs)):
        predictions = predicted(task, found, encoded)
        metrics = task.metrics(predictions, encoded)
        assert set(task.row_scores(predictions, encoded)) <= set(metrics)
        measured.append({**metrics, "loss": float(task.loss(given(task, found.detach()), wanted))})
    best, worse = measured
    for metric in dict.fromkeys([task.monitor, *list(headline(task.headline, best))[:1]]):
        sign = 1 if mode_of(task, metric) == "max" else -1
        assert sign * best[metric] > sign * worse[metric], f"{metric} is not best at the minimum of the loss"
    assert all(np.isfinite(value) for value in [*best.values(), *worse.values()])
    form = predicted(task, outputs, encoded).shape[1:]
    assert np.broadcast_shapes(form, task.prior().shape) == form, (
        "the prior does not have the form of a row of predictions"
    )
    assert all(np.isfinite(value) for each in task.baselines(encoded).values() for value in each.values())


def _check_state(text: str, task: Task, targets: Sequence[Any], encoded: NDArray[Any], outputs: Tensor) -> None:
    if isinstance(task, Tunes):
        task = task.tune(predicted(task, outputs, encoded), encoded)
    state = task.state()
    json.dumps(state.values, allow_nan=False)
    other: Task = TASKS.build(parse_spec(parse_spec(text).name))
    other.load_state(state)
    predictions = predicted(other, outputs, encoded)
    assert np.array_equal(other.encode(targets), encoded), "restored from its state, it encodes differently"
    assert np.array_equal(predictions, predicted(task, outputs, encoded)), (
        "restored from its state, it predicts differently"
    )
    assert np.array_equal(other.prior(), task.prior(), equal_nan=True)
    assert other.metrics(predictions, encoded) == task.metrics(predictions, encoded)
    if task.link != "cluster":
        losses = [each.loss(given(task, outputs), torch.from_numpy(encoded)) for each in (task, other)]
        assert losses[0] == losses[1]
    known = np.arange(len(targets)) > 0
    assert other.records(predictions, known) == task.records(predictions, known)
    json.dumps(task.records(predictions, known), allow_nan=False)
    assert other.baselines(encoded) == task.baselines(encoded)
    assert other.state().digest() == state.digest()
    assert TASKS.constant(parse_spec(text).name, "version") == task.version
