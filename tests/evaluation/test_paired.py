"""The paired bootstrap against a loop, a case with a known answer, and what a p-value must be where nothing differs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mmcli.evaluation import paired
from mmcli.evaluation.paired import paired_p_values


def slow(differences, draws, seed):
    """One draw after the other, as the definition reads."""
    generator = np.random.default_rng(seed)
    rows = len(differences)
    mean = sum(differences) / rows
    far = 0
    for numbers in generator.integers(0, rows, (draws, rows)):
        drawn = sum(differences[number] for number in numbers) / rows - mean
        far += abs(drawn) >= abs(mean) - 1e-9
    return (far + 1) / (draws + 1)


def test_it_is_what_a_loop_finds_and_each_comparison_stands_alone():
    generator = np.random.default_rng(3)
    first = generator.choice([-1.0, -0.5, 0.0, 0.5, 1.0], 40, p=[0.1, 0.1, 0.4, 0.2, 0.2])
    second = generator.normal(0.1, 1.0, 40)
    found = paired_p_values(np.stack([first, second]), draws=400, seed=7)
    assert found == [slow(first, 400, 7), slow(second, 400, 7)]
    assert found[0] == paired_p_values(first[None], draws=400, seed=7)[0]


def test_it_is_that_of_the_binomial_distribution_where_a_model_is_right_more_often():
    """Rows differ by 0 or 1: a drawn mean is a binomial share."""
    rows, better, draws = 30, 3, 10_000
    differences = np.array([[1.0] * better + [0.0] * (rows - better)])
    share = np.arange(rows + 1) / rows
    exact = stats.binom.pmf(np.arange(rows + 1), rows, better / rows)[
        np.abs(share - better / rows) >= better / rows - 1e-9
    ].sum()
    assert 0.05 < exact < 0.2
    spread = np.sqrt(exact * (1 - exact) / draws)
    assert paired_p_values(differences, draws=draws)[0] == pytest.approx(exact, abs=4 * spread)


def test_the_same_predictions_give_1_and_it_is_never_0():
    nothing, everything = paired_p_values(np.stack([np.zeros(20), np.ones(20)]), draws=999)
    assert nothing == 1
    assert everything == 1 / 1000
    better = np.random.default_rng(0).normal(0.5, 1.0, (1, 200))
    assert paired_p_values(better, draws=999)[0] < 0.01
    assert paired_p_values(-better, draws=999) == paired_p_values(better, draws=999)


def test_where_there_is_no_difference_every_p_value_is_as_likely():
    generator = np.random.default_rng(11)
    found = paired_p_values(generator.normal(0, 1, (400, 80)), draws=1000, seed=1)
    assert stats.kstest(found, "uniform").pvalue > 0.05
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09


def test_many_rows_are_drawn_in_parts(monkeypatch):
    differences = np.random.default_rng(5).normal(0.2, 1, (2, 50))
    whole = paired_p_values(differences, draws=3000, seed=2)
    monkeypatch.setattr(paired, "CELLS_AT_ONCE", 700)
    assert paired_p_values(differences, draws=3000, seed=2) == whole  # the stream of numbers is one


def test_of_one_row_there_is_no_p_value():
    assert paired_p_values(np.array([[0.5], [0.0]])) == [None, None]
