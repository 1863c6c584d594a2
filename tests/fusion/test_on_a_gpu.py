"""Every fusion method on a GPU: what it makes and learns from is that of the CPU, and gradients repeat."""

import copy

import pytest
import torch

from mmcli.registry import FUSIONS
from mmcli.testing.fusion import sample
from mmcli.testing.fusion_sequences import sample_sequences
from tests.fusion.test_contract import build, dims
from tests.fusion.test_sequence_contract import METHODS

pytestmark = pytest.mark.gpu

DEVICE = "cuda"


def moved(value):
    return tuple(part.to(DEVICE) for part in value) if isinstance(value, tuple) else value.to(DEVICE)


def learnt_from(fusion, features, present):
    """What a method makes of rows, and every gradient of its squares."""
    fusion.zero_grad()
    fused = fusion(features, present)
    if fused.requires_grad:
        fused.square().mean().backward()
    return [fused.detach(), *(value.grad.clone() for value in fusion.parameters() if value.grad is not None)]


def compare(fusion, features, present):
    expected = learnt_from(fusion, features, present)
    on_gpu = copy.deepcopy(fusion).to(DEVICE)
    inputs = ({name: moved(value) for name, value in each.items()} for each in (features, present))
    features, present = inputs
    first, again = (learnt_from(on_gpu, features, present) for _ in range(2))
    assert len(first) == len(expected)
    for one, two, wanted in zip(first, again, expected, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one.cpu(), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", FUSIONS.names())
def test_vectors(method, deterministic_gpu):
    in_dims = dims(method, 3)
    compare(build(method, in_dims), *sample(in_dims, 33))


@pytest.mark.parametrize("method", METHODS)
def test_sequences(method, deterministic_gpu):
    in_dims = dims(method, 5)
    compare(build(method, in_dims), *sample_sequences(in_dims, 12, 50))
