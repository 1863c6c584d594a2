"""What every registered fusion method must hold."""

import ast
import inspect
import sys

import pytest
import torch

from mmcli.registry import FUSIONS, Spec

NAMES = ["audio", "image", "image_hog", "table", "text"]
WIDTHS = {"audio": 3, "image": 8, "image_hog": 5, "table": 1, "text": 6}
COUNTS = [1, 2, 3, 5]
SMALL = {"attention", "bilinear", "film", "gated", "low_rank", "squeeze_excite"}
SMALL |= {"bottleneck", "cross_attention", "mag", "perceiver"}
"""Made with dim=8."""


def dims(method, count):
    names = NAMES[:count]
    equal = FUSIONS.constant(method, "equal_widths", False) or FUSIONS.constant(method, "kind") == "late"
    return {name: 4 if equal else WIDTHS[name] for name in names}


def build(method, in_dims, seed=0):
    torch.manual_seed(seed)
    options = {"dim": "8"} if method in SMALL else {}
    options |= {"epochs": "3"} if method in ("contrastive", "l2_align") else {}
    spec = Spec(method, "audio" if method == "only" else None, options)
    fusion = FUSIONS.build(spec, in_dims=in_dims)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    if FUSIONS.constant(method, "fitted"):
        fusion.fit(lambda: [train_rows(in_dims, 40, seed), train_rows(in_dims, 30, seed + 100)])
    return fusion.eval()


def train_rows(in_dims, rows, seed):
    """The same rows in whatever order the modalities come."""
    drawn = sample(dict(sorted(in_dims.items())), rows, seed)
    return tuple({name: part[name] for name in in_dims} for part in drawn)


def sample(in_dims, rows, seed=0, share=0.5):
    generator = torch.Generator().manual_seed(seed)
    features = {name: torch.randn(rows, width, generator=generator) for name, width in in_dims.items()}
    present = {name: torch.rand(rows, generator=generator) < share for name in in_dims}
    if share < 1:
        for name in in_dims:
            present[name][0] = False
    return features, present


each_method = pytest.mark.parametrize("method", FUSIONS.names())
each_count = pytest.mark.parametrize("count", COUNTS)


def test_the_methods_that_people_are_told_of_are_registered():
    static = {"concat", "max", "mean", "only", "product", "sum"}
    static |= {"cca", "contrastive", "l2_align", "pca"}
    learnt = {"attention", "concat_mlp", "gated", "weighted_sum"}
    learnt |= {"bilinear", "film", "low_rank", "squeeze_excite", "tensor"}
    learnt |= {"bottleneck", "cross_attention", "mag", "perceiver"}
    kinds = {name: FUSIONS.constant(name, "kind") for name in FUSIONS.names()}
    assert static <= {name for name, kind in kinds.items() if kind == "static"}
    assert learnt <= {name for name, kind in kinds.items() if kind == "learnt"}
    assert {"late_mean", "late_weighted", "stacking"} <= {name for name, kind in kinds.items() if kind == "late"}


@each_method
@each_count
@pytest.mark.parametrize("rows", [1, 9])
def test_shape_is_rows_by_out_dim_and_finite(method, count, rows):
    in_dims = dims(method, count)
    fusion = build(method, in_dims)
    fused = fusion(*sample(in_dims, rows))
    assert fused.shape == (rows, fusion.out_dim)
    assert fused.isfinite().all()


@each_method
def test_the_order_of_modalities_means_nothing(method):
    in_dims = dims(method, 5)
    features, present = sample(in_dims, 7)
    backwards = {name: in_dims[name] for name in reversed(in_dims)}
    expected = build(method, in_dims)(features, present)
    found = build(method, backwards)(
        {name: features[name] for name in backwards}, {name: present[name] for name in backwards}
    )
    assert torch.equal(expected, found)


@each_method
@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), 1e30])
def test_what_lies_where_a_modality_is_absent_reaches_neither_result_nor_gradient(method, rubbish):
    in_dims = dims(method, 3)
    features, present = sample(in_dims, 16)
    spoilt = {name: value.clone() for name, value in features.items()}
    for name, value in spoilt.items():
        value[~present[name]] = rubbish
    fusion = build(method, in_dims)
    results = []
    for values in (features, spoilt):
        fusion.zero_grad()
        inputs = {name: value.clone().requires_grad_() for name, value in values.items()}
        fused = fusion(inputs, present)
        if fused.requires_grad:
            fused.square().sum().backward()
        gradients = [parameter.grad.clone() for parameter in fusion.parameters()]
        gradients += [value.grad for value in inputs.values() if value.grad is not None]
        results.append([fused.detach(), *gradients])
    for clean, dirty in zip(*results, strict=True):
        assert clean.isfinite().all()
        assert torch.equal(clean, dirty)


@each_method
def test_a_row_with_no_modality_is_the_same_whatever_the_other_rows_are(method):
    in_dims = dims(method, 3)
    fusion = build(method, in_dims)
    features, present = sample(in_dims, 6)
    alone = fusion({n: v[:1] for n, v in features.items()}, {n: p[:1] for n, p in present.items()})
    torch.testing.assert_close(fusion(features, present)[:1], alone)
    if FUSIONS.constant(method, "kind") != "learnt":
        assert torch.equal(alone, torch.zeros_like(alone))


@each_method
def test_a_static_row_is_the_same_to_the_last_bit_in_any_batch(method):
    if FUSIONS.constant(method, "kind") != "static":
        return
    in_dims = {"audio": 33, "image": 700, "text": 129}
    fusion = build(method, in_dims)
    features, present = sample(in_dims, 75, share=0.8)
    whole = fusion(features, present)
    for rows in ([74], [3, 50], list(range(40, 75))):
        part = fusion({n: v[rows] for n, v in features.items()}, {n: p[rows] for n, p in present.items()})
        assert torch.equal(part, whole[rows])


@each_method
@each_count
def test_every_parameter_gets_a_gradient_and_static_methods_have_none(method, count):
    in_dims = dims(method, count)
    fusion = build(method, in_dims)
    if FUSIONS.constant(method, "kind") == "static" or method == "late_mean":
        assert not list(fusion.parameters())
        return
    features, present = sample(in_dims, 32)
    direction = torch.randn(fusion.out_dim, generator=torch.Generator().manual_seed(1))
    (fusion(features, present) @ direction).square().sum().backward()
    assert list(fusion.parameters())
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None, name
        # One modality alone has nothing to weigh it against, attention to one step no choice but that step.
        assert count == 1 or method == "cross_attention" or parameter.grad.abs().sum() > 0, name


@each_method
def test_state_dict_is_the_whole_state(method):
    in_dims = dims(method, 3)
    one, other = build(method, in_dims, seed=1), build(method, in_dims, seed=2)
    features, present = sample(in_dims, 8)
    if list(one.parameters()):
        assert not torch.equal(one(features, present), other(features, present))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(features, present), other(features, present))


@each_method
def test_modality_weights_have_a_column_for_each_modality_and_none_for_the_absent(method):
    in_dims = dims(method, 5)
    fusion = build(method, in_dims)
    features, present = sample(in_dims, 12)
    if not hasattr(fusion, "modality_weights"):
        assert method not in ("mean", "weighted_sum", "gated", "attention", "squeeze_excite", "late_mean")
        return
    weights = fusion.modality_weights(features, present)
    there = torch.stack([present[name] for name in sorted(in_dims)], dim=1)
    assert weights.shape == (12, 5)
    assert torch.equal(weights > 0, there)


@each_method
def test_adding_a_modality_that_is_absent_everywhere_changes_no_static_sum(method):
    if method not in ("sum", "mean", "max", "product"):
        return
    few, more = {"image": 8, "text": 6}, {"audio": 3, "image": 8, "text": 6}
    features, present = sample(more, 6)
    present["audio"][:] = False
    assert torch.equal(build(method, more)(features, present), build(method, few)(features, present))


@each_method
def test_one_public_class_and_a_documented_source_where_it_is_learnt(method):
    kind = FUSIONS.load(method)
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == [kind.__name__]
    assert FUSIONS.summary(method).endswith(".")
    assert isinstance(FUSIONS.constant(method, "version"), int)
    if kind.kind != "static" and method != "concat_mlp":
        assert "Source:" in kind.__doc__
