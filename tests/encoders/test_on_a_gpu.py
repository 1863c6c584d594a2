"""Every encoder on a GPU: close to the CPU, a row's bits its own, and gradients that repeat where they can."""

import copy

import numpy as np
import pytest
import torch

from mmcli.chain.frozen import FrozenEncoder
from mmcli.registry import parse_spec
from mmcli.runtime import Runtime
from mmcli.testing.extractors import rows_of
from tests.encoders.test_encoder_contract import cases, make_input

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
WITHOUT_DETERMINISTIC_GRADIENT = {"s3d"}
FIRST = 2
"""The first row of ``make_input`` that has something to learn from."""


@pytest.fixture(params=cases(), ids=lambda case: ":".join(case))
def case(request, hf_folders):
    kind, text = request.param
    spec = parse_spec(text)
    if spec.name == "hf":
        spec = parse_spec(text.replace(f"hf:{spec.argument}", f"hf:{hf_folders[spec.argument]}"))
    return FrozenEncoder(spec, make_input(kind)[0], seed=3), *make_input(kind)


def test_features_are_near_those_of_the_cpu_and_a_row_has_its_own_bits(case):
    encoder, spec, column = case
    runtime = Runtime(device=DEVICE, batch_size=3)
    together = rows_of(encoder.extract(spec, column, runtime))
    for row, expected in enumerate(rows_of(encoder.extract(spec, column, Runtime(batch_size=3)))):
        assert together[row].shape == expected.shape
        error = np.linalg.norm(together[row] - expected)
        assert error <= 0.01 * np.linalg.norm(expected)
    order = np.array([4, 0, 2])
    some = rows_of(encoder.extract(spec, column.take(order), runtime))
    for place, row in enumerate(order.tolist()):
        np.testing.assert_array_equal(some[place], together[row])


def test_gradients_are_the_same_bits_again(case, deterministic_gpu):
    encoder, _, column = case
    rows = column.take(np.arange(FIRST, len(column)))
    network = copy.deepcopy(encoder.network).to(DEVICE).train()
    lengths = network.lengths(rows)
    inputs = [value.to(DEVICE) for value in network.collate(rows, None if lengths is None else int(lengths.max()))]

    def gradients():
        torch.manual_seed(0)
        network.zero_grad()
        features = network(*inputs)
        values = (features[0] if isinstance(features, tuple) else features).float()
        (values * torch.linspace(-1, 1, values.numel(), device=DEVICE).view_as(values)).sum().backward()
        return [value.grad.clone() for value in network.parameters() if value.grad is not None]

    if encoder.spec.name in WITHOUT_DETERMINISTIC_GRADIENT:
        with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
            gradients()
        return
    first, again = gradients(), gradients()
    assert first
    assert all(map(torch.equal, first, again))
