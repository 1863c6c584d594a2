"""Pooling of sequences and feature maps against NumPy, row by row."""

import numpy as np
import pytest
import torch

from mmcli.errors import MmcliError
from mmcli.models import POOLINGS
from mmcli.models.pooling import AttentionPooling, MaxPooling, MeanPooling, as_steps, build_pooling

LENGTHS = np.array([7, 0, 3, 1])


def sequences(seed=0):
    """Values (4, 7, 3) that are not numbers behind each row's end, and their lengths."""
    values = np.random.default_rng(seed).normal(size=(4, 7, 3)).astype(np.float32)
    for row, length in enumerate(LENGTHS):
        values[row, length:] = np.nan
    return values


def given(values, lengths=LENGTHS):
    return torch.from_numpy(values), torch.from_numpy(lengths)


def drawn_attention(dim=3):
    torch.manual_seed(0)
    pooling = AttentionPooling(dim)
    torch.nn.init.normal_(pooling.query)
    return pooling


def attention_of(pooling, steps):
    """u . tanh(W h + b) of each step, its softmax, and the weighted sum, in float64."""
    weight, bias, query = (
        value.detach().double().numpy() for value in (pooling.hidden.weight, pooling.hidden.bias, pooling.query)
    )
    scores = np.tanh(steps @ weight.T + bias) @ query
    shares = np.exp(scores - scores.max())
    return (shares / shares.sum()) @ steps


def test_max_is_over_a_rows_own_steps():
    values = sequences()
    found = MaxPooling()(given(values)).numpy()
    np.testing.assert_array_equal(
        found, [values[row, :n].max(0) if n else np.zeros(3) for row, n in enumerate(LENGTHS)]
    )


def test_attention_is_the_papers_formula_over_a_rows_own_steps():
    values, pooling = sequences(), drawn_attention()
    found = pooling(given(values)).detach().numpy()
    wanted = [
        attention_of(pooling, values[row, :n].astype(float)) if n else np.zeros(3) for row, n in enumerate(LENGTHS)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert np.abs(found[0] - values[0].mean(0)).max() > 0.01, "else it says nothing against the mean"


def test_attention_begins_as_the_mean_and_every_parameter_learns():
    values = sequences()
    pooling = AttentionPooling(3)
    np.testing.assert_allclose(pooling(given(values)).detach(), MeanPooling()(given(values)), rtol=1e-5, atol=1e-6)
    pooling = drawn_attention()
    pooling(given(values)).square().sum().backward()
    for parameter in pooling.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("name", POOLINGS)
def test_a_map_is_the_sequence_of_its_places_and_a_vector_stays(name):
    pooling = build_pooling(name, 3)
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    steps, lengths = as_steps(torch.from_numpy(maps))
    np.testing.assert_array_equal(steps[1, 7], maps[1, :, 1, 2])
    assert lengths.tolist() == [20, 20]
    torch.testing.assert_close(pooling(torch.from_numpy(maps)), pooling((steps, lengths)))
    vector = torch.randn(2, 3)
    assert torch.equal(pooling(vector), vector)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(MmcliError, match="did you mean 'mean'"):
        build_pooling("meen", 3)
