"""Fits late fusion methods to out-of-fold predictions for the train rows."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.reporting import Progress, Reporter, Silent
from mmcli.store.columns import Array
from mmcli.training.data import Examples, TrainingData
from mmcli.training.folds import draw_folds, units
from mmcli.training.kept_folds import KeptFolds
from mmcli.training.learner import Learner, outputs_of_each
from mmcli.training.sampling import draw_rows

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.loop import Checkpoint, Epoch
    from mmcli.models.network import Network
    from mmcli.training.learner import Loss

DRAWS = 4
"""Number of copies of each row with random modalities dropped, if modalities are to be dropped."""
_STEPS = 500


def learn_combination(
    network: Network,
    learner: Learner,
    data: TrainingData,
    size: int,
    reporter: Reporter,
    kept: KeptFolds,
    *,
    done: bool,
) -> None:
    """Fit the combination of a late network's heads and freeze it; do nothing if it has no parameters.

    The train rows are split into folds, groups together. For each fold, heads are trained on the others and predict it;
    the combination is fitted to these predictions. Resampling of classes happens within the rows that the heads of a
    fold, or the combination, are trained on, so that no copy of a row is on both sides.

    Args:
        network: Its combination is fitted and frozen.
        learner: Trains the heads of each fold like those of the network.
        data: All train rows, and the val rows, which select the best epoch of each fold.
        size: Batch size.
        reporter: Receives the progress of the folds.
        kept: The finished folds.
        done: The combination was fitted by an earlier run and is in its checkpoint; it is only frozen.

    Raises:
        MmcliError: There are too few rows or groups for two folds.

    Source: van der Laan, Polley and Hubbard 2007, Super Learner; Wolpert 1992, Stacked Generalization.
    """
    import torch

    combination: Any = network.fusion.combination
    combination.requires_grad_(False)
    if done or not list(combination.parameters()):
        return
    plan = learner.plan.network
    folds = draw_folds(units(data.samples, data.train.rows), learner.options.seed)
    count = int(folds.max(initial=0)) + 1
    if count < 2:
        raise MmcliError(f"--method {plan.method} learns from predictions for held-out rows or groups: it needs at "
                         "least two of them; --method late_mean needs none")  # fmt: skip
    reporter.note(f"{plan.method}: training on {count} parts of the train rows first, then on all of them")
    outputs = out_of_fold(learner, data, folds, size, reporter, kept)
    # No synthetic rows here: heads have seen the rows between which these lie, so there is no out-of-fold prediction.
    rows = torch.from_numpy(draw_rows(data, learner.sampling, learner.options.seed))
    drawn = Examples({}, data.train.present, data.train.targets, data.train.rows).take(rows)
    fit_combination(
        combination, outputs[rows], drawn.present, drawn.numbers, learner.loss(replace(data, train=drawn)),
        dropped=max(plan.modality_dropout, combination.least_dropped), seed=learner.options.seed,
    )  # fmt: skip


def out_of_fold(
    learner: Learner, data: TrainingData, folds: Array, size: int, reporter: Reporter, kept: KeptFolds
) -> Tensor:
    """Return the heads' out-of-fold outputs for the train rows, (N, M, K); epochs are chosen by the heads' mean."""
    import torch

    found: list[Array] = []
    places: list[Array] = []
    count = int(folds.max()) + 1
    for fold in range(count):
        places.append(np.flatnonzero(folds == fold))
        outputs = kept.find(fold)
        if outputs is None or len(outputs) != len(places[-1]):
            rest = torch.from_numpy(np.flatnonzero(folds != fold))
            network = learner.build(Silent(), "late_mean")
            part = learner.prepare(replace(data, train=data.train.take(rest)), network)
            learnt = learner.sampled(part, Silent())
            with reporter.progress(f"train, fold {fold + 1} of {count}", learner.options.epochs) as progress:
                learner.fit(network, learnt, size, partial(_show, progress))
            held = data.train.take(torch.from_numpy(places[-1]))
            with torch.no_grad():
                outputs = part.outputs(partial(outputs_of_each, network), held, size).cpu().double().numpy()
            kept.keep(fold, outputs)
        found.append(outputs)
    return torch.from_numpy(np.concatenate(found)[np.concatenate(places).argsort()])


def _show(progress: Progress, epoch: Epoch, now: Checkpoint) -> None:
    del now
    progress.advance(1, f"loss {epoch.loss:.4f}")


def fit_combination(
    combination: Any,
    outputs: Tensor,
    present: dict[str, Tensor],
    targets: Tensor,
    loss: Loss,
    *,
    dropped: float = 0.0,
    seed: int = 0,
) -> None:
    """Fit a combination's parameters by minimising the mean loss plus its penalty.

    Args:
        combination: A late method with parameters, from which it starts.
        outputs: The outputs of each modality's head, (N, M, K) float64.
        present: (N,) bool each.
        targets: (N,) or (N, …).
        loss: Maps outputs (N, K) and targets to the loss.
        dropped: Probability of dropping each modality of a row, from 0 to 1; if above 0, half of the loss is over
            ``DRAWS`` such copies of each row.
        seed: Seed of the drops.
    """
    import torch

    names, rows = sorted(present), len(targets)
    parts = [(dict(zip(names, outputs.unbind(dim=1), strict=True)), present, targets)]
    if dropped:
        drawn = draw_presence(present, dropped, seed)
        repeated = outputs.repeat(DRAWS, 1, 1).unbind(dim=1)
        parts.append((dict(zip(names, repeated, strict=True)), drawn, torch.cat([targets] * DRAWS)))
    fitted = deepcopy(combination).cpu().double().requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        fitted.parameters(), max_iter=_STEPS, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        losses = [loss(fitted(features, there), wanted) for features, there, wanted in parts]
        value: Tensor = torch.stack(losses).mean() + fitted.penalty() / rows
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    combination.load_state_dict(fitted.state_dict())


def draw_presence(present: dict[str, Tensor], chance: float, seed: int) -> dict[str, Tensor]:
    """Return presence (DRAWS N,), copies of all rows in which modalities are dropped with this probability."""
    import torch

    from mmcli.models.network import drop_modalities

    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        draws = [drop_modalities(present, chance) for _ in range(DRAWS)]
    return {name: torch.cat([draw[name] for draw in draws]) for name in present}
