"""What late methods learn from: folds, the heads of each, and what is fitted to their predictions."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from mmcli.errors import MmcliError
from mmcli.fusion.late.late_weighted import LateWeighted
from mmcli.fusion.late.stacking import Stacking
from mmcli.loop import TrainingOptions
from mmcli.networks.plan import NetworkPlan
from mmcli.reporting import Silent
from mmcli.store.artifact import Roles
from mmcli.store.columns import FieldSpec, ModalitySpec
from mmcli.tasks.classification import Classification
from mmcli.training.augmenting import Augmentation
from mmcli.training.data import Examples, TrainingData
from mmcli.training.late import (
    DRAWS,
    draw_folds,
    draw_presence,
    fit_combination,
    learn_combination,
    out_of_fold,
    units,
)
from mmcli.training.learner import Learner, outputs_of_each
from mmcli.training.plan import TrainingPlan

KEPT = SimpleNamespace(find=lambda fold: None, keep=lambda fold, outputs: None)


class TestFolds:
    def test_rows_of_a_group_stay_together_and_folds_are_of_one_size(self):
        rows = [{"id": str(n), "who": f"p{n // 3}" if n < 90 else ""} for n in range(120)]
        samples = SimpleNamespace(rows=rows, roles=Roles("id", "split", None, "who"), id_of=lambda row: row["id"])
        found = draw_folds(units(samples, np.arange(10, 120)), 0)
        for group in range(4, 30):
            assert len(set(found[group * 3 - 10 : group * 3 - 7].tolist())) == 1
        alone = draw_folds(units(samples, np.arange(90, 120)), 0)
        assert np.bincount(alone).tolist() == [6] * 5

    def test_the_seed_decides(self):
        names = [str(number) for number in range(50)]
        assert np.array_equal(draw_folds(names, 0), draw_folds(names, 0))
        assert not np.array_equal(draw_folds(names, 0), draw_folds(names, 1))
        assert sorted(draw_folds(["x", "y", "z"], 0)) == [0, 1, 2]


def small_problem(method, rows=100, seed=0, absent=0.0, epochs=8):
    """A modality that tells something, and noise that a head learns by heart; val rows are the train rows."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, rows)
    values = {
        "noise": random.normal(size=(rows, 300)),
        "signal": random.normal(size=(rows, 3)) + 1.5 * np.eye(3)[targets],
    }
    present = {name: torch.from_numpy(random.random(rows) >= absent) for name in values}
    present["signal"] |= ~present["noise"]
    features = {name: torch.from_numpy(value.astype(np.float32)) for name, value in values.items()}
    task = Classification()
    task.fit([str(target) for target in targets])
    examples = Examples(features, present, torch.from_numpy(targets), np.arange(rows))
    samples = SimpleNamespace(
        rows=[{"id": str(n)} for n in range(rows)], roles=Roles("id", "split"), id_of=lambda row: row["id"]
    )
    form = {name: FieldSpec("dense", "float32", (value.shape[1],), "D") for name, value in values.items()}
    modalities = {name: ModalitySpec("tensor", name, None, "ab" * 32, {"": own}) for name, own in form.items()}
    plan = TrainingPlan(samples, {}, None, NetworkPlan(method, None, (), 0.0, 0.0, 0))
    options = TrainingOptions(epochs=epochs, lr=0.05, patience=None, monitor="log_loss")
    learner = Learner(plan, modalities, task, options, Augmentation({}, {}, 0.5), "none", "cpu")
    return learner, TrainingData(task, examples, examples, samples)


def test_weights_are_learnt_from_rows_that_the_heads_had_not_seen():
    learner, data = small_problem("late_weighted", rows=150)
    network = learner.build(Silent())
    learn_combination(network, learner, data, 32, Silent(), KEPT, done=False)
    combination = network.fusion.combination
    unseen = combination.scores.detach().softmax(0)
    assert unseen[0] < 0.05
    learner.fit(network, data, 32, lambda epoch, now: None)
    assert torch.equal(combination.scores.detach().softmax(0), unseen)
    outputs = data.outputs(lambda *inputs: outputs_of_each(network, *inputs).detach(), data.train, 32)
    assert (outputs[:, 0].argmax(1) == data.train.targets).float().mean() > 0.95
    seen = LateWeighted({"noise": 3, "signal": 3})
    fit_combination(seen, outputs.double(), data.train.present, data.train.targets, learner.loss(data))
    assert seen.scores.detach().softmax(0)[0] > 0.8


def test_a_head_learns_from_the_rows_of_its_modality_alone():
    learner, data = small_problem("late_mean", absent=0.4, epochs=1)
    learner = replace(learner, options=replace(learner.options, clip_norm=None))
    absent = ~data.train.present["signal"]
    changed = torch.where(absent, (data.train.targets + 1) % 3, data.train.targets)
    assert absent.any()
    weights = []
    for targets in (data.train.targets, changed):
        network = learner.build(Silent())
        learner.fit(network, replace(data, train=replace(data.train, targets=targets)), 32, lambda epoch, now: None)
        weights.append([head.layers[0].weight for head in network.fusion.heads])
    assert not torch.isclose(weights[0][0], weights[1][0]).any(dim=1).all()
    assert torch.equal(weights[0][1], weights[1][1])


def test_a_row_is_predicted_by_heads_that_learnt_from_the_other_folds():
    learner, data = small_problem("stacking", rows=40, epochs=3)
    folds = draw_folds(units(data.samples, data.train.rows), 0)
    outputs = out_of_fold(learner, data, folds, 16, Silent(), KEPT)
    for spoilt in (0, 3):
        targets = torch.where(torch.from_numpy(folds == spoilt), (data.train.targets + 1) % 3, data.train.targets)
        other = replace(data, train=replace(data.train, targets=targets))
        found = out_of_fold(learner, other, folds, 16, Silent(), KEPT)
        held = torch.from_numpy(folds == spoilt)
        assert torch.equal(found[held], outputs[held])
        assert not torch.isclose(found[~held], outputs[~held]).all(dim=2).any()


def test_stacking_is_a_logistic_regression_on_the_out_of_fold_outputs():
    learner, data = small_problem("stacking", absent=0.3, epochs=5)
    network = learner.build(Silent())
    learn_combination(network, learner, data, 32, Silent(), KEPT, done=False)
    folds = draw_folds(units(data.samples, data.train.rows), learner.options.seed)
    outputs = out_of_fold(learner, data, folds, 32, Silent(), KEPT).numpy()
    present = {name: there.numpy() for name, there in data.train.present.items()}
    dropped = {name: there.numpy() for name, there in draw_presence(data.train.present, 0.5, 0).items()}
    whole, parts = columns(outputs, present), columns(np.tile(outputs, (DRAWS, 1, 1)), dropped)
    weight = np.repeat([0.5, 0.5 / DRAWS], [len(whole), len(parts)])
    expected = LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit(
        np.concatenate([whole, parts]), np.tile(data.train.targets.numpy(), 1 + DRAWS), weight
    )
    layer = network.fusion.combination.layer
    np.testing.assert_allclose(layer.weight.detach().numpy(), expected.coef_, atol=1e-3)
    assert not layer.weight.requires_grad
    found = network.fusion.combination(
        {name: torch.from_numpy(outputs[:, place]).float() for place, name in enumerate(("noise", "signal"))},
        data.train.present,
    )
    np.testing.assert_allclose(found.detach().softmax(1).numpy(), expected.predict_proba(whole), atol=1e-3)


def columns(outputs, present):
    """What a stacker of two modalities, ``noise`` and ``signal``, is fitted to."""
    there = np.stack([present["noise"], present["signal"]], axis=1)
    centred = [(outputs[:, m] - outputs[:, m].mean(1, keepdims=True)) * there[:, [m]] for m in (0, 1)]
    absent = 1 - there.mean(1, keepdims=True)
    return np.concatenate([*centred, *(part * absent for part in centred), there], axis=1)


def test_modality_dropout_reaches_the_combination_alone():
    learner, data = small_problem("late_weighted", rows=60, epochs=2)
    plan = replace(learner.plan, network=replace(learner.plan.network, modality_dropout=0.5))
    assert learner.build(Silent()).modality_dropout == replace(learner, plan=plan).build(Silent()).modality_dropout == 0
    found = []
    for own in (learner, replace(learner, plan=plan), replace(learner, plan=plan)):
        network = own.build(Silent())
        learn_combination(network, own, data, 32, Silent(), KEPT, done=False)
        found.append(network.fusion.combination.scores)
    assert torch.equal(found[1], found[2])
    assert not torch.isclose(found[0], found[1]).any()


def test_dropping_takes_presence_away_and_never_the_last():
    present = {name: torch.tensor([True, True, False, True] * 50) for name in ("a", "b")}
    present["b"][3::4] = False
    state = torch.get_rng_state()
    drawn = draw_presence(present, 0.5, 0)
    assert torch.equal(torch.get_rng_state(), state)
    either = (drawn["a"] | drawn["b"]).reshape(DRAWS, 50, 4)
    assert torch.equal(either, (present["a"] | present["b"]).reshape(1, 50, 4).expand(DRAWS, 50, 4))
    assert not (drawn["a"] & ~present["a"].repeat(DRAWS)).any()
    assert 0.3 < drawn["a"].reshape(DRAWS, 50, 4)[:, :, :2].float().mean() < 0.9


def test_stacking_is_sane_where_one_modality_stands_alone():
    """All rows that it learnt from have all modalities, and one of these alone would do."""
    random = np.random.default_rng(0)
    targets = random.permutation(np.repeat([0, 1, 1], 60))
    strong, weak = (random.normal(size=(180, 2)) + scale * np.eye(2)[targets] for scale in (9.0, 1.5))
    outputs = torch.from_numpy(np.stack([strong, weak], axis=1))
    present = {"strong": torch.ones(180).bool(), "weak": torch.ones(180).bool()}
    method = Stacking({"strong": 2, "weak": 2})
    loss = torch.nn.functional.cross_entropy
    fit_combination(method, outputs, present, torch.from_numpy(targets), loss, dropped=method.least_dropped)
    alone = method(
        {"strong": torch.full((180, 2), torch.nan), "weak": outputs[:, 1].float()},
        {**present, "strong": ~present["weak"]},
    )
    best = LogisticRegression(C=1.0).fit(weak, targets).predict_proba(weak)
    assert log_loss(targets, alone.detach().softmax(1).numpy()) < 1.05 * log_loss(targets, best)


def test_one_group_is_too_few():
    learner, data = small_problem("stacking", rows=9)
    data.samples.rows = [{"id": str(n), "who": "one"} for n in range(9)]
    data.samples.roles = Roles("id", "split", None, "who")
    with pytest.raises(MmcliError, match="needs at least two of them; --method late_mean"):
        learn_combination(learner.build(Silent()), learner, data, 4, Silent(), KEPT, done=False)
