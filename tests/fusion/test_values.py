"""Each method against its formula, written in NumPy for one row at a time."""

import numpy as np
import pytest
import torch
from torch import nn

from mmcli.errors import MmcliError, UsageError
from mmcli.fusion.learnt.attention import Attention
from mmcli.fusion.learnt.concat_mlp import ConcatMlp
from mmcli.fusion.learnt.gated import Gated
from mmcli.fusion.learnt.weighted_sum import WeightedSum
from mmcli.fusion.static.concat import Concat
from mmcli.fusion.static.max import Max
from mmcli.fusion.static.mean import Mean
from mmcli.fusion.static.only import Only
from mmcli.fusion.static.product import Product
from mmcli.fusion.static.sum import Sum
from mmcli.registry import FUSIONS, parse_spec

ROWS = 20


def sample(in_dims, seed=3):
    random = np.random.default_rng(seed)
    features = {name: random.normal(size=(ROWS, width)).astype(np.float32) for name, width in in_dims.items()}
    present = {name: random.random(ROWS) < 0.6 for name in in_dims}
    for name in in_dims:
        present[name][0], present[name][1] = False, True
    return features, present


def run(method, features, present):
    as_tensors = [{name: torch.from_numpy(value) for name, value in part.items()} for part in (features, present)]
    with torch.no_grad():
        return method(*as_tensors).numpy()


def weights_of(method, features, present):
    as_tensors = [{name: torch.from_numpy(value) for name, value in part.items()} for part in (features, present)]
    with torch.no_grad():
        return method.modality_weights(*as_tensors).numpy()


def there(present, row):
    return [name for name in sorted(present) if present[name][row]]


@pytest.mark.parametrize(
    ("kind", "formula"),
    [(Sum, np.sum), (Mean, np.mean), (Max, np.max), (Product, np.prod)],
)
def test_methods_without_parameters_reduce_the_modalities_present(kind, formula):
    in_dims = {"b": 4, "a": 4, "c": 4}
    features, present = sample(in_dims)
    found = run(kind(in_dims), features, present)
    for row in range(ROWS):
        values = [features[name][row] for name in there(present, row)]
        expected = formula(values, axis=0) if values else np.zeros(4)
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_the_maximum_of_negative_numbers_is_not_the_zeros_of_what_is_absent():
    found = run(
        Max({"a": 1, "b": 1}),
        {"a": np.array([[-2.0]], np.float32), "b": np.array([[9.0]], np.float32)},
        {"a": np.array([True]), "b": np.array([False])},
    )
    assert found.tolist() == [[-2.0]]


def test_mean_weights_are_equal_over_what_is_present():
    features, present = sample({"a": 2, "b": 2, "c": 2})
    found = weights_of(Mean({"a": 2, "b": 2, "c": 2}), features, present)
    assert found[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(found[1], [1 / 3] * 3, rtol=1e-6)


def test_concat_is_side_by_side_in_sorted_order():
    features, present = sample({"b": 2, "a": 3})
    expected = np.hstack([features[name] * present[name][:, None] for name in ("a", "b")])
    assert np.array_equal(run(Concat({"b": 2, "a": 3}), features, present), expected)


def test_random_projections_keep_lengths_and_angles_and_follow_the_seed():
    in_dims = {"a": 400, "b": 300}
    features, present = sample(in_dims)
    present["a"][:], present["b"][:] = True, False
    found = run(Sum(in_dims, dim=2048), features, present).astype(np.float64)
    expected = features["a"] @ features["a"].T
    # The standard deviation of a projected inner product is at most |x| |y| sqrt(2 / dim).
    lengths = np.linalg.norm(features["a"], axis=1)
    assert (np.abs(found @ found.T - expected) < 5 * np.outer(lengths, lengths) * np.sqrt(2 / 2048)).all()
    assert np.array_equal(found, run(Sum(in_dims, dim=2048), features, present))
    assert not np.array_equal(found, run(Sum(in_dims, dim=2048, seed=1), features, present))


def test_a_projection_does_not_depend_on_the_other_modalities():
    features, present = sample({"a": 40, "b": 30, "c": 9})
    present["b"][:] = present["c"][:] = False
    two = run(Sum({"a": 40, "b": 30}), features, present)
    assert np.abs(two[1]).sum() > 0
    assert np.array_equal(two, run(Sum({"a": 40, "c": 9}), features, present))


def test_modalities_of_one_width_are_projected_by_different_matrices():
    in_dims = {"a": 40, "b": 40, "c": 9}
    features, _ = sample(in_dims)
    features["b"] = features["a"]
    alone = []
    for name in ("a", "b"):
        alone.append(run(Sum(in_dims), features, {other: np.full(ROWS, other == name) for other in in_dims}))
    correlation = np.corrcoef(alone[0].ravel(), alone[1].ravel())[0, 1]
    assert abs(correlation) < 0.2


def test_only_takes_a_modality_or_all_extractors_of_a_source():
    in_dims = {"image_hog": 2, "image_color": 3, "text": 4}
    features, present = sample(in_dims)
    expected = np.hstack([features[n] * present[n][:, None] for n in ("image_color", "image_hog")])
    build = {"in_dims": in_dims}
    assert np.array_equal(run(FUSIONS.build(parse_spec("only:image"), **build), features, present), expected)
    hog = features["image_hog"] * present["image_hog"][:, None]
    assert np.array_equal(run(FUSIONS.build(parse_spec("only:image_hog"), **build), features, present), hog)
    with pytest.raises(MmcliError, match=r"unknown modality 'imag'.*text"):
        Only(in_dims, "imag")
    with pytest.raises(UsageError, match="only:image_color"):
        FUSIONS.build(parse_spec("only"), **build)


def test_weighted_sum_renormalises_over_what_is_present():
    in_dims = {"a": 3, "b": 3, "c": 3}
    method = WeightedSum(in_dims)
    with torch.no_grad():
        method.scores.copy_(torch.tensor([0.5, -1.0, 300.0]))
    scores = {"a": 0.5, "b": -1.0, "c": 300.0}
    features, present = sample(in_dims)
    found, weights = run(method, features, present), weights_of(method, features, present)
    for row in range(ROWS):
        names = there(present, row)
        highest = max((scores[name] for name in names), default=0)
        raw = {name: np.exp(scores[name] - highest) for name in names}
        share = {name: raw[name] / sum(raw.values()) for name in names}
        np.testing.assert_allclose(weights[row], [share.get(name, 0) for name in "abc"], rtol=1e-5, atol=1e-7)
        expected = sum((share[name] * features[name][row] for name in names), np.zeros(3))
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-6)


def test_gated_weighted_sum_scores_each_modality_by_its_own_vector():
    in_dims = {"a": 3, "b": 3, "c": 3}
    torch.manual_seed(0)
    method = WeightedSum(in_dims, gate=True)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_()
    features, present = sample(in_dims)
    found, weights = run(method, features, present), weights_of(method, features, present)
    scores, scorers = method.scores.detach().numpy(), method.scorers.detach().numpy()
    for row in range(ROWS):
        raw = {
            name: np.exp(scores[index] + sum(features[name][row] * scorers[index]) / np.sqrt(3))
            for index, name in enumerate("abc")
            if present[name][row]
        }
        share = {name: value / sum(raw.values()) for name, value in raw.items()}
        np.testing.assert_allclose(weights[row], [share.get(name, 0) for name in "abc"], rtol=1e-4, atol=1e-6)
        expected = sum((share[name] * features[name][row] for name in share), np.zeros(3))
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


def test_values_of_missing_modalities_do_not_affect_gates():
    in_dims = {"a": 3, "b": 3}
    method = WeightedSum(in_dims, gate=True)
    features, present = sample(in_dims)
    as_tensors = {name: torch.from_numpy(np.where(present[name][:, None], features[name], np.nan)) for name in in_dims}
    inputs = {name: value.requires_grad_() for name, value in as_tensors.items()}
    fused = method(inputs, {name: torch.from_numpy(there) for name, there in present.items()})
    fused.square().sum().backward()
    assert fused.isfinite().all()
    for tensor in [*inputs.values(), *method.parameters()]:
        assert tensor.grad.isfinite().all()
    assert method.scorers.grad.any()


def test_a_gate_that_has_learnt_nothing_leaves_the_weights_as_they_are():
    in_dims = {"a": 3, "b": 3}
    features, present = sample(in_dims)
    plain, gated = WeightedSum(in_dims), WeightedSum(in_dims, gate=True)
    assert list(plain.state_dict()) == ["scores"]
    assert np.array_equal(run(plain, features, present), run(gated, features, present))


def test_weighted_sum_names_the_widths_it_cannot_add():
    with pytest.raises(MmcliError, match="'weighted_sum' needs modalities of equal width, not a 3, b 4"):
        WeightedSum({"b": 4, "a": 3})


def test_gated_is_the_gated_multimodal_unit():
    in_dims = {"a": 3, "b": 5, "c": 2}
    torch.manual_seed(0)
    method = Gated(in_dims, dim=4)
    features, present = sample(in_dims)
    found, weights = run(method, features, present), weights_of(method, features, present)
    values = [layer.weight.detach().numpy() for layer in method.values]
    gates = np.split(method.gates.weight.detach().numpy(), 3)
    for row in range(ROWS):
        inputs = [features[n][row] if present[n][row] else np.zeros(in_dims[n]) for n in "abc"]
        joined = np.concatenate(inputs)
        z = [present[n][row] / (1 + np.exp(-gate @ joined)) for n, gate in zip("abc", gates, strict=True)]
        h = [np.tanh(value @ x) for value, x in zip(values, inputs, strict=True)]
        expected = sum(gate * value for gate, value in zip(z, h, strict=True))
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(weights[row], [np.mean(gate * np.ones(4)) for gate in z], rtol=1e-5)


def softmax(x):
    raised = np.exp(x - x.max())
    return raised / raised.sum()


def test_attention_is_a_masked_self_attention_layer():
    in_dims, heads, dim = {"a": 3, "b": 5, "c": 2}, 2, 6
    torch.manual_seed(0)
    method = Attention(in_dims, dim=dim, heads=heads)
    with torch.no_grad():
        method.norm.weight.normal_()
        method.norm.bias.normal_()
    features, present = sample(in_dims)
    found, weights = run(method, features, present), weights_of(method, features, present)
    embedding = method.embedding.detach().numpy()
    layers = [layer.weight.detach().numpy() for layer in method.tokens]
    query, key, value = np.split(method.query_key_value.weight.detach().numpy(), 3)
    output, bias = (p.detach().numpy() for p in (method.output.weight, method.output.bias))
    scale, shift = (p.detach().numpy() for p in (method.norm.weight, method.norm.bias))
    for row in range(ROWS):
        here = [index for index, name in enumerate("abc") if present[name][row]]
        if not here:
            assert not found[row].any()
            assert not weights[row].any()
            continue
        # Absent modalities are not masked here: they are left out.
        tokens = np.stack([layers[i] @ features["abc"[i]][row] + embedding[i] for i in here])
        mixed, received = np.zeros((len(here), dim)), np.zeros(3)
        for head in range(heads):
            part = slice(head * dim // heads, (head + 1) * dim // heads)
            q, k, v = (tokens @ matrix[part].T for matrix in (query, key, value))
            attended = np.stack([softmax(line) for line in q @ k.T / np.sqrt(dim / heads)])
            mixed[:, part] = attended @ v
            received[here] += attended.mean(axis=0) / heads
        added = tokens + mixed @ output.T + bias
        normal = (added - added.mean(1, keepdims=True)) / np.sqrt(added.var(1, keepdims=True) + 1e-5)
        expected = (normal * scale + shift).mean(axis=0)
        np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(weights[row], received, rtol=1e-4, atol=1e-6)


def test_attention_refuses_a_width_its_heads_do_not_divide():
    with pytest.raises(MmcliError, match="not 6 of 4"):
        Attention({"a": 3}, dim=6, heads=4)


def test_concat_mlp_puts_its_learnt_vector_where_a_modality_is_absent():
    in_dims = {"a": 3, "b": 2}
    torch.manual_seed(0)
    method = ConcatMlp(in_dims, hidden=4).eval()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_()
    features, present = sample(in_dims)
    found = run(method, features, present)
    first, second = (layer for layer in method.layers if isinstance(layer, nn.Linear))
    absent = {name: vector.detach().numpy() for name, vector in zip("ab", method.absent, strict=True)}
    for row in range(ROWS):
        joined = np.concatenate([features[n][row] if present[n][row] else absent[n] for n in "ab"])
        for layer in (first, second):
            joined = np.maximum(layer.weight.detach().numpy() @ joined + layer.bias.detach().numpy(), 0)
        np.testing.assert_allclose(found[row], joined, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", ["gated:dim=0", "concat_mlp:hidden=0", "sum:dim=0"])
def test_a_width_below_one_is_refused(text):
    with pytest.raises(MmcliError, match="must be at least 1 and at most 1048576, not 0"):
        FUSIONS.build(parse_spec(text), in_dims={"a": 2, "b": 3})
