"""Sequences brought to other numbers of steps, against torch's pooling of one row alone."""

import numpy as np
import pytest
import torch

from mmcli.fusion.learnt._alignment import align


def inside(lengths, steps):
    return torch.arange(steps) < torch.tensor(lengths).unsqueeze(1)


@pytest.mark.parametrize(("given", "wanted"), [(7, 3), (6, 3), (3, 7), (1, 5), (5, 1), (11, 11), (1000, 17), (4, 1000)])
def test_a_row_is_the_adaptive_pooling_of_its_own_steps(given, wanted):
    values = torch.randn(3, 1001, 2)
    own, targets = inside([given, 1001, 0], 1001), inside([wanted, 5, wanted], 1002)
    values = torch.where(own.unsqueeze(2), values, 0.0)
    found = align(values, own, targets)
    assert found.shape == (3, 1002, 2)
    expected = torch.nn.functional.adaptive_avg_pool1d(values[0, :given].T, wanted).T
    torch.testing.assert_close(found[0, :wanted], expected)
    assert not found[0, wanted:].any()
    assert not found[2].any()


def test_sequences_of_equal_length_are_unchanged():
    own = inside([3, 4, 0], 4)
    values = torch.where(own.unsqueeze(2), torch.randn(3, 4, 2), 0.0)
    assert torch.equal(align(values, own, inside([3, 4, 2], 6))[:, :4], values)


def test_halving_and_doubling_by_hand():
    values = torch.tensor([1.0, 3.0, 5.0, 9.0]).reshape(1, 4, 1)
    every = inside([4], 4)
    assert align(values, every, inside([2], 2)).flatten().tolist() == [2, 7]
    assert align(values, every, inside([3], 3)).flatten().tolist() == [2, 4, 7]
    np.testing.assert_array_equal(align(values, every, inside([8], 8)).flatten(), np.repeat([1, 3, 5, 9], 2))


def test_a_row_gets_nothing_from_other_rows_and_its_gradient_is_finite():
    own = inside([2, 5], 5)
    values = torch.where(own.unsqueeze(2), torch.randn(2, 5, 3), 0.0).requires_grad_()
    align(values, own, inside([4, 3], 4))[0].sum().backward()
    assert (values.grad[0, :2] == 2).all()
    assert not values.grad[0, 2:].any()
    assert not values.grad[1].any()
