"""What every registered fusion method must hold."""

import ast
import inspect
import sys

import pytest
import torch

from mmcli.fusion import WeighsModalities
from mmcli.registry import FUSIONS, Spec
from mmcli.testing import check_fusion
from mmcli.testing.fusion import build as build_of
from mmcli.testing.fusion import dims as dims_of
from mmcli.testing.fusion import sample

SMALL = {"attention", "bilinear", "film", "gated", "low_rank", "squeeze_excite"}
SMALL |= {"bottleneck", "cross_attention", "mag", "perceiver"}
"""Made with dim=8."""


def spec_of(method):
    """A method with options under which it is small and quick."""
    options = {"dim": "8"} if method in SMALL else {}
    options |= {"epochs": "3"} if method in ("contrastive", "l2_align") else {}
    return Spec(method, "audio" if method == "only" else None, options)


def dims(method, count):
    return dims_of(spec_of(method), count)


def build(method, in_dims, seed=0):
    return build_of(spec_of(method), in_dims, seed)


each_method = pytest.mark.parametrize("method", FUSIONS.names())
each_count = pytest.mark.parametrize("count", [1, 2, 3, 5])


def test_the_documented_methods_are_registered():
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
def test_a_method_keeps_its_contract(method):
    check_fusion(spec_of(method))


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
def test_the_state_dict_is_complete(method):
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
    if not isinstance(fusion, WeighsModalities):
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
