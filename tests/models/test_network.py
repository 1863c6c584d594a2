import itertools

import numpy as np
import pytest
import torch
from torch import nn

from mmcli.errors import MmcliError
from mmcli.loop import TrainingOptions, fit
from mmcli.models.abilities import HoldsMethod
from mmcli.models.caption_memory import CaptionMemory
from mmcli.models.heads import MlpHead
from mmcli.models.network import Network, drop_modalities
from mmcli.models.pooling import AttentionPooling, MeanPooling
from mmcli.models.shared_space import SharedSpace
from mmcli.registry import FUSIONS, Spec

IN_DIMS = {"items": 5, "a.b": 3, "type": 4}


def build(method="concat", *, in_dims=IN_DIMS, hidden=(6,), seed=0, **options):
    torch.manual_seed(seed)
    static = FUSIONS.constant(method, "kind") == "static"
    spec = Spec(method, min(in_dims) if method == "only" else None)
    return Network(
        in_dims,
        fusion=lambda widths: FUSIONS.build(spec, in_dims=widths),
        head=lambda width: MlpHead(width, 2, hidden=hidden, dropout=0.0),
        **{"projection_dim": None if static else 8, **options},
    )


def sample(rows=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = {name: torch.randn(rows, width, generator=generator) for name, width in IN_DIMS.items()}
    present = {name: torch.rand(rows, generator=generator) < 0.5 for name in IN_DIMS}
    for name in IN_DIMS:
        present[name][0] = False
    return features, present


@pytest.mark.parametrize("method", [name for name in FUSIONS.names() if FUSIONS.constant(name, "kind") != "late"])
def test_every_fusion_composes_trains_and_ignores_what_is_absent(method):
    network = build(method)
    features, present = sample()
    network(features, present).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    network.eval()
    clean = network(features, present)
    spoilt = {name: value.masked_fill(~present[name][:, None], float("nan")) for name, value in features.items()}
    assert clean.shape == (6, 2)
    assert torch.equal(network(spoilt, present), clean)


def test_the_same_seed_builds_the_same_network_whatever_the_order_of_modalities():
    one, other = build("gated"), build("gated", in_dims=dict(reversed(IN_DIMS.items())))
    features, present = sample()
    assert torch.equal(one.eval()(features, present), other.eval()(features, present))
    assert not torch.equal(one(features, present), build("gated", seed=1).eval()(features, present))


def test_static_fusion_gets_the_features_as_they_are():
    network = build("concat", hidden=()).eval()
    features, present = sample()
    layer = network.head.layers[0]
    joined = torch.cat([features[n] * present[n][:, None] for n in sorted(IN_DIMS)], dim=1)
    torch.testing.assert_close(network(features, present), joined @ layer.weight.T + layer.bias)


def test_modality_weights_are_those_of_the_fusion_on_projected_features():
    features, present = sample()
    weights = build("weighted_sum").eval().modality_weights(features, present)
    torch.testing.assert_close(weights.sum(1), torch.stack(list(present.values())).any(0).float())
    assert build("concat").modality_weights(features, present) is None


def test_sequences_are_averaged_over_their_own_steps():
    random = np.random.default_rng(0)
    values, lengths = random.normal(size=(4, 7, 3)).astype(np.float32), np.array([7, 0, 3, 1])
    for row, length in enumerate(lengths):
        values[row, length:] = np.nan
    found = MeanPooling()((torch.from_numpy(values), torch.from_numpy(lengths))).numpy()
    expected = [values[row, :length].mean(0) if length else np.zeros(3) for row, length in enumerate(lengths)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    alone = MeanPooling()((torch.from_numpy(values[2:3, :3]), torch.tensor([3]))).numpy()
    assert np.array_equal(alone[0], found[2])


def test_feature_maps_are_averaged_over_height_and_width():
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    found = MeanPooling()(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(found, values.mean((2, 3)), rtol=1e-5, atol=1e-6)


def test_a_network_takes_vectors_sequences_and_maps_together():
    features, present = sample()
    vectors = {name: value.clone() for name, value in features.items()}
    features["a.b"] = (vectors["a.b"][:, None, :].repeat(1, 4, 1), torch.full((6,), 4))
    features["type"] = vectors["type"][:, :, None, None].repeat(1, 1, 2, 3)
    network = build("gated").eval()
    torch.testing.assert_close(network(features, present), network(vectors, present))


class Steps(nn.Module):
    """An encoder whose features are its inputs, as a sequence."""

    def forward(self, values, lengths):
        return 3 * values + 1, lengths


def test_a_fusion_of_sequences_gets_normalised_steps_and_others_what_is_pooled_of_them():
    values, lengths = torch.randn(6, 5, 3), torch.tensor([5, 2, 0, 1, 3, 4])
    in_dims = {"audio": 3, "type": 4}
    stepwise = build("perceiver", in_dims=in_dims, encoders={"audio": Steps()}, projection_dim=None).eval()
    steps, own = stepwise.vector("audio", (values, lengths))
    assert torch.equal(own, lengths)
    raw = (3 * values + 1).double().numpy()
    wanted = (raw - raw.mean(2, keepdims=True)) / np.sqrt(raw.var(2, keepdims=True) + 1e-5) * 4 / 3**0.5
    np.testing.assert_allclose(steps.numpy(), wanted, rtol=1e-4, atol=1e-5)
    pooled = build("gated", in_dims=in_dims, encoders={"audio": Steps()}).eval()
    raw = np.stack([raw[row, :n].mean(0) if n else np.zeros(3) for row, n in enumerate(lengths)])
    wanted = (raw - raw.mean(1, keepdims=True)) / np.sqrt(raw.var(1, keepdims=True) + 1e-5) * 4 / 3**0.5
    np.testing.assert_allclose(pooled.vector("audio", (values, lengths)).numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [[0, 2], []])
def test_in_training_only_rows_that_have_a_sequence_are_encoded(rows):
    there = torch.zeros(4, dtype=torch.bool)
    there[rows] = True
    values, lengths = torch.randn(4, 5, 3), torch.tensor([5, 2, 1, 4])
    present = {"a": there, "b": torch.ones(4, dtype=torch.bool)}
    features = {"a": (values, lengths), "b": torch.randn(4, 2)}
    network = build("perceiver", in_dims={"a": 3, "b": 2}, encoders={"a": Steps()}, projection_dim=None)
    network.fusion.eval()
    torch.testing.assert_close(network(features, present), network.eval()(features, present))


@pytest.mark.parametrize("method", [name for name in FUSIONS.names() if FUSIONS.constant(name, "sequences")])
def test_projections_act_on_each_step_and_what_lies_behind_the_end_has_no_influence(method):
    network = build(method).eval()
    features, present = sample()
    values, lengths = torch.randn(6, 5, 3), torch.tensor([5, 2, 0, 1, 3, 4])
    for row, length in enumerate(lengths):
        values[row, length:] = float("nan")
    features["a.b"] = values, lengths
    found = network(features, present)
    assert found.isfinite().all()
    for row, length in enumerate(lengths.tolist()):
        one = {name: value[row : row + 1] for name, value in features.items() if name != "a.b"}
        one["a.b"] = values[row : row + 1, :length], lengths[row : row + 1]
        alone = network(one, {name: there[row : row + 1] for name, there in present.items()})
        torch.testing.assert_close(alone[0], found[row])
    network.train()(features, present).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_learnt_pooling_is_trained_with_the_rest():
    features, present = sample()
    features["a.b"] = torch.randn(6, 5, 3), torch.tensor([5, 2, 0, 1, 3, 4])
    present = {name: torch.ones_like(there) for name, there in present.items()}
    network = build("gated", pooling={"a.b": AttentionPooling(3)})
    names = {name for name, _ in network.named_parameters() if name.startswith("pooling.")}
    assert names == {"pooling.0.query", "pooling.0.hidden.weight", "pooling.0.hidden.bias"}
    before = network.eval()(features, present)
    network.train()(features, present).square().sum().backward()
    torch.optim.SGD(network.pooling.parameters(), lr=0.1).step()
    assert not torch.equal(network.eval()(features, present), before)


def test_modality_dropout_has_its_chance_and_never_takes_the_last():
    torch.manual_seed(0)
    rows, chance = 40_000, 0.4
    present = {"a": torch.ones(rows).bool(), "b": torch.ones(rows).bool(), "c": torch.zeros(rows).bool()}
    present["a"][:1000] = present["b"][:1000] = False
    kept = drop_modalities(present, chance)
    a, b = kept["a"][1000:], kept["b"][1000:]
    assert not kept["c"].any()
    assert not kept["a"][:1000].any()
    assert (a | b).all()
    # Kept unless its draw says no, and also where both draws say no and its draw is the higher of the two.
    assert a.float().mean().item() == pytest.approx(1 - chance + chance**2 / 2, abs=0.01)
    assert (a & b).float().mean().item() == pytest.approx((1 - chance) ** 2, abs=0.01)
    single = drop_modalities({"a": torch.ones(50).bool(), "b": torch.zeros(50).bool()}, 1.0)
    assert single["a"].all()
    assert not single["b"].any()


def test_modality_dropout_acts_in_training_alone():
    features, _ = sample()
    present = {name: torch.ones(6).bool() for name in IN_DIMS}
    network, plain = build(modality_dropout=0.9, dropout=0.0), build(dropout=0.0)
    assert torch.equal(network.eval()(features, present), plain.eval()(features, present))
    assert not torch.equal(network.train()(features, present), plain.train()(features, present))


@pytest.mark.parametrize("options", [{"dropout": 1.5}, {"modality_dropout": -0.1}])
def test_shares_that_are_none_are_refused(options):
    with pytest.raises(MmcliError, match="from 0 to 1"):
        build(**options)


def test_a_head_without_hidden_layers_is_linear():
    head = MlpHead(3, 2, hidden=(), dropout=0.5)
    fused = torch.randn(4, 3)
    layer = head.layers[0]
    torch.testing.assert_close(head(fused), fused @ layer.weight.T + layer.bias)
    assert len(list(MlpHead(3, 2, hidden=(5, 4), dropout=0.5).parameters())) == 6
    with pytest.raises(MmcliError, match="at least 1"):
        MlpHead(3, 2, hidden=(0,), dropout=0.5)


def test_exclusive_or_of_two_modalities_needs_a_fusion_that_is_not_linear():
    corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=2))).repeat(50, 1)
    noisy = corners + 0.2 * torch.randn(corners.shape, generator=torch.Generator().manual_seed(0))
    labels = (corners.prod(dim=1) > 0).long()
    features = {"left": noisy[:, :1], "right": noisy[:, 1:]}
    present = {name: torch.ones(200).bool() for name in features}

    def accuracy(method):
        network = build(method, in_dims={"left": 1, "right": 1}, hidden=(), projection_dim=None, dropout=0.0)
        fit(
            network,
            lambda generator: torch.randperm(200, generator=generator).split(40),
            lambda model, rows: nn.functional.cross_entropy(
                model({n: v[rows] for n, v in features.items()}, {n: p[rows] for n, p in present.items()}),
                labels[rows],
            ),
            lambda model: {"loss": float(nn.functional.cross_entropy(model(features, present), labels))},
            TrainingOptions(epochs=20, lr=2e-2, monitor="loss"),
        )
        return float((network(features, present).argmax(1) == labels).float().mean())

    assert accuracy("concat_mlp") > 0.95
    assert accuracy("concat") < 0.75


@pytest.mark.parametrize("kind", [CaptionMemory, SharedSpace])
def test_a_wrapper_of_a_method_inherits_holds_method(kind):
    """A part of a module is found by its name up to Python 3.11 only."""
    assert HoldsMethod in kind.__mro__
