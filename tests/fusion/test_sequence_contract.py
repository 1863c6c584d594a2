"""What every registered fusion method that takes sequences must hold beyond ``check_fusion``."""

import pytest
import torch

from mmcli.fusion import WeighsModalities
from mmcli.registry import FUSIONS
from mmcli.testing.fusion_sequences import sample_sequences
from tests.fusion.test_contract import build, dims

METHODS = [name for name in FUSIONS.names() if FUSIONS.constant(name, "sequences")]

each_method = pytest.mark.parametrize("method", METHODS)
each_count = pytest.mark.parametrize("count", [1, 2, 3, 5])
each_length = pytest.mark.parametrize("steps", [6, 50])


def test_the_methods_that_people_are_told_of_take_sequences():
    assert {"attention", "bottleneck", "cross_attention", "mag", "perceiver"} <= set(METHODS)


@each_method
@each_count
@each_length
def test_every_parameter_gets_a_gradient(method, count, steps):
    in_dims = dims(method, count)
    fusion = build(method, in_dims)
    features, present = sample_sequences(in_dims, 32, steps)
    for name, feature in features.items():
        if not isinstance(feature, tuple):  # attention to one step has no choice to learn
            features[name] = (torch.randn(32, 4, in_dims[name]), torch.full((32,), 3))
    direction = torch.randn(fusion.out_dim, generator=torch.Generator().manual_seed(1))
    (fusion(features, present) @ direction).square().sum().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@each_method
@each_length
def test_modality_weights_are_shares_of_those_present(method, steps):
    in_dims = dims(method, 5)
    fusion = build(method, in_dims)
    features, present = sample_sequences(in_dims, 12, steps)
    if not isinstance(fusion, WeighsModalities):
        assert method not in ("attention", "perceiver")
        return
    weights = fusion.modality_weights(features, present)
    there = torch.stack([present[name] for name in sorted(present)], dim=1)
    assert torch.equal(weights > 0, there)
    torch.testing.assert_close(weights.sum(dim=1), there.any(dim=1).float())
