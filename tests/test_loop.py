import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import nn

from mmcli import loop
from mmcli.errors import MmcliError
from mmcli.loop import Checkpoint, Epoch, TrainingOptions, fit, learning_rate
from mmcli.store.state import State

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(96, 6, generator=GENERATOR)
Y = X @ torch.randn(6, 1, generator=GENERATOR) + 0.3 * torch.randn(96, 1, generator=GENERATOR)
TRAIN, VAL = slice(0, 64), slice(64, 96)
OPTIONS = TrainingOptions(epochs=6, lr=0.02, monitor="loss", mode="min", patience=None)


def network():
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))


def batches(generator):
    return torch.randperm(64, generator=generator).split(16)


def loss(model, rows):
    return (model(X[TRAIN][rows]) - Y[TRAIN][rows]).square().mean()


def validate(model):
    return {"loss": float((model(X[VAL]) - Y[VAL]).square().mean())}


def scripted(values):
    """Return a validation that says these values, one an epoch."""
    remaining = iter(values)
    return lambda model: {"loss": next(remaining)}


def run(options=OPTIONS, model=None, validate=validate, loss=loss, **given):
    model = model or network()
    return model, fit(model, batches, loss, validate, options, **given)


def same(one, other):
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_fits_a_line_as_least_squares_does():
    model = nn.Linear(6, 1)
    options = replace(OPTIONS, epochs=200, lr=0.05, weight_decay=0.0, clip_norm=None)
    run(options, model, validate=lambda model: {"loss": float((model(X[TRAIN]) - Y[TRAIN]).square().mean())})
    design = np.hstack([X[TRAIN].numpy(), np.ones((64, 1))])
    expected = np.linalg.lstsq(design, Y[TRAIN].numpy(), rcond=None)[0].ravel()
    found = [*model.weight.detach().numpy().ravel(), model.bias.item()]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_twice_the_same_is_the_same_to_the_last_bit_and_another_seed_is_not():
    one, first = run()
    torch.rand(5)
    other, second = run()
    assert same(one, other)
    assert first == second
    assert not same(one, run(replace(OPTIONS, seed=1))[0])


@pytest.mark.parametrize("schedule", ["cosine", "constant", "plateau"])
@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_run_resumed_from_disk_ends_as_one_without_interruption(tmp_path, schedule, after):
    options = replace(OPTIONS, schedule=schedule)
    whole, expected = run(options)

    def interrupt(epoch, checkpoint):
        checkpoint.to_state().write(tmp_path / "checkpoint")
        if epoch.number == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(options, on_epoch=interrupt)
    checkpoint = Checkpoint.from_state(State.read(tmp_path / "checkpoint"))
    torch.rand(3)
    resumed, outcome = run(options, checkpoint=checkpoint)
    assert same(resumed, whole)
    assert outcome == expected


def test_a_resumed_run_remembers_a_best_epoch_from_before():
    kept = []
    values = [3.0, 1.0, 2.0, 1.5, 4.0, 5.0]
    keep = {"on_epoch": lambda epoch, checkpoint: kept.append(checkpoint)}
    whole, expected = run(validate=scripted(values), **keep)
    resumed, outcome = run(validate=scripted(values[4:]), checkpoint=Checkpoint.from_state(kept[3].to_state()))
    assert same(resumed, whole)
    assert outcome == expected
    ended, outcome = run(validate=scripted([]), checkpoint=kept[-1])
    assert same(ended, whole)
    assert outcome == expected


def test_moments_of_a_checkpoint_lie_in_memory_as_their_parameters_do(tmp_path, monkeypatch):
    """Fused AdamW refuses others on a GPU; here of a kernel with its channels last and of a table without rows."""

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.table = nn.Conv2d(6, 1, 1, bias=False), nn.Embedding(0, 8)
            self.image.weight.data = torch.randn(1, 6, 1, 1).contiguous(memory_format=torch.channels_last)

        def forward(self, values):
            found = self.image(values[:, :, None, None]).flatten(start_dim=1)
            return found + self.table(torch.zeros(0, dtype=torch.long)).sum()

    kept, made = [], []
    run(model=Both(), on_epoch=lambda epoch, checkpoint: kept.append(checkpoint))
    kept[2].to_state().write(tmp_path / "checkpoint")
    build = loop._optimizer
    monkeypatch.setattr(loop, "_optimizer", lambda *arguments: made.append(build(*arguments)) or made[0])
    run(model=Both(), checkpoint=Checkpoint.from_state(State.read(tmp_path / "checkpoint")))
    states = {parameter: state for parameter, state in made[0].state.items() if parameter.dim() > 1}
    assert len(states) == 2
    for parameter, state in states.items():
        assert state["exp_avg"].stride() == state["exp_avg_sq"].stride() == parameter.stride()


def test_a_checkpoint_can_be_gone_on_from_twice():
    kept = []
    whole, expected = run(on_epoch=lambda epoch, checkpoint: kept.append(checkpoint))
    for _ in range(2):
        resumed, outcome = run(checkpoint=kept[1])
        assert same(resumed, whole)
        assert outcome == expected


def test_an_interruption_within_an_epoch_loses_that_epoch_alone():
    whole, expected = run()
    kept, steps = [], []

    def breaking(model, rows):
        steps.append(1)
        if len(steps) == 10:
            raise KeyboardInterrupt
        return loss(model, rows)

    with pytest.raises(KeyboardInterrupt):
        run(loss=breaking, on_epoch=lambda epoch, checkpoint: kept.append(checkpoint))
    assert len(kept) == 2
    resumed, outcome = run(checkpoint=kept[-1])
    assert same(resumed, whole)
    assert outcome == expected


def test_the_model_ends_with_the_weights_of_the_best_epoch_the_earlier_of_equals():
    kept = []
    model, outcome = run(
        validate=scripted([3.0, 1.0, 2.0, 1.0, 4.0, 5.0]),
        on_epoch=lambda epoch, checkpoint: kept.append(checkpoint.weights),
    )
    assert outcome.best.number == 2
    assert outcome.reason == "epochs"
    assert [epoch.improved for epoch in outcome.history] == [True, True, False, False, False, False]
    assert all(torch.equal(value, kept[1][name]) for name, value in model.state_dict().items())
    assert not torch.equal(kept[1]["0.weight"], kept[3]["0.weight"])
    assert not model.training


def test_the_largest_value_is_the_best_where_mode_says_so():
    _, outcome = run(replace(OPTIONS, mode="max"), validate=scripted([1.0, 3.0, 2.0, 3.0, 0.0, 1.0]))
    assert outcome.best.number == 2


@pytest.mark.parametrize(("least", "length"), [(1, 4), (5, 5)])
def test_patience_ends_training(least, length):
    options = replace(OPTIONS, epochs=50, patience=2, min_epochs=least)
    _, outcome = run(options, validate=scripted([3.0, 1.0, 2.0, 1.0, 4.0, 5.0]))
    assert (len(outcome.history), outcome.reason, outcome.best.number) == (length, "patience", 2)


def test_should_stop_ends_training_with_the_best_so_far():
    asked = []
    _, outcome = run(should_stop=lambda: asked.append(1) or len(asked) == 3)
    assert (len(outcome.history), outcome.reason) == (3, "stopped")


def history(flags):
    return [Epoch(number, 1.0, 1.0, {}, bool(flag)) for number, flag in enumerate(flags, start=1)]


def rates(options, length):
    return [learning_rate(options, history([1] * done)) for done in range(length)]


def test_schedules_start_with_a_warm_up_and_follow_their_form():
    cosine = TrainingOptions(epochs=10, lr=0.6, warmup=2, schedule="cosine")
    expected = [0.2, 0.4] + [0.3 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert rates(cosine, 10) == pytest.approx(expected)
    constant = replace(cosine, schedule="constant")
    assert rates(constant, 5) == pytest.approx([0.2, 0.4, 0.6, 0.6, 0.6])
    plateau = replace(cosine, schedule="plateau", warmup=0)
    assert learning_rate(plateau, history([1, 0, 0, 0, 0])) == pytest.approx(0.6)
    assert learning_rate(plateau, history([1, 0, 0, 0, 0, 0])) == pytest.approx(0.3)
    assert learning_rate(plateau, history([1, 0, 0, 0, 0, 1, 0])) == pytest.approx(0.6)
    assert learning_rate(plateau, history([1] + [0] * 10)) == pytest.approx(0.15)


def test_the_rate_of_the_schedule_is_the_rate_of_the_steps():
    """With the loss scaled out by Adam, the first step moves each weight by the learning rate."""
    model = nn.Linear(6, 1)
    before = model.bias.item()
    options = replace(OPTIONS, epochs=1, warmup=1, lr=0.5)
    fit(model, lambda generator: [torch.arange(64)], loss, validate, options)
    assert abs(model.bias.item() - before) == pytest.approx(0.25, rel=1e-3)


def test_weight_decay_shrinks_matrices_and_leaves_biases_and_norms():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    options = replace(OPTIONS, epochs=1, warmup=0, schedule="constant", lr=0.1, weight_decay=0.5)
    zero = lambda model, rows: 0 * sum(parameter.sum() for parameter in model.parameters())  # noqa: E731
    fit(model, lambda generator: [0], zero, lambda model: {"loss": 0.0}, options)
    assert model[0].weight.detach().numpy() == pytest.approx(1 - 0.1 * 0.5)
    assert all((parameter == 1).all() for parameter in (model[0].bias, *model[1].parameters()))


def test_l1_makes_least_squares_the_lasso():
    model = nn.Linear(6, 1)
    options = replace(OPTIONS, epochs=200, lr=0.05, weight_decay=0.0, l1=1.0, clip_norm=None)
    run(options, model, validate=scripted(range(200, 0, -1)))
    # scikit-learn's objective is half of mean squared error plus l1.
    expected = Lasso(alpha=0.5).fit(X[TRAIN].numpy(), Y[TRAIN].numpy().ravel())
    np.testing.assert_allclose(model.weight.detach().numpy().ravel(), expected.coef_, atol=0.03)
    assert model.bias.item() == pytest.approx(float(expected.intercept_), abs=0.03)


def test_clipping_bounds_what_one_batch_can_do():
    def norms(clip):
        found = []

        class Watch(nn.Linear):
            def zero_grad_(self):
                found.append(float(self.weight.grad.norm()) if self.weight.grad is not None else 0.0)

        model = Watch(6, 1)

        def exploding(model, rows):
            model.zero_grad_()
            return 1e4 * loss(model, rows)

        run(replace(OPTIONS, epochs=2, clip_norm=clip), model, loss=exploding)
        return max(found)

    # The optimizer clears gradients after the loss is asked, so the loss sees those of the step before.
    assert norms(1.0) <= 1.001
    assert norms(None) > 100


def test_a_loss_that_is_not_finite_is_one_clear_line():
    calls = []

    def breaking(model, rows):
        calls.append(1)
        return loss(model, rows) * (float("nan") if len(calls) == 6 else 1)

    with pytest.raises(MmcliError, match=r"no longer finite in epoch 2: try a lower --lr than 0\.02") as error:
        run(loss=breaking)
    assert "\n" not in str(error.value)
    with pytest.raises(MmcliError, match="no longer finite in epoch 1"):
        run(validate=lambda model: {"loss": math.nan})


def test_a_monitor_that_is_not_there_and_no_batches_are_errors():
    with pytest.raises(MmcliError, match="no value 'accuracy': there are loss"):
        run(replace(OPTIONS, monitor="accuracy"))
    with pytest.raises(MmcliError, match="no batch"):
        fit(network(), lambda generator: [], loss, validate, OPTIONS)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0.0}, {"clip_norm": -1.0}, {"patience": 0}, {"l1": -1.0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(MmcliError, match=f"training: {next(iter(wrong))} must be"):
        TrainingOptions(**wrong)


def test_validation_sees_a_model_in_eval_mode_without_gradients():
    seen = []

    def watch(model):
        seen.append((model.training, torch.is_grad_enabled()))
        return {"loss": 1.0}

    run(replace(OPTIONS, epochs=2), validate=watch)
    assert seen == [(False, False), (False, False)]
