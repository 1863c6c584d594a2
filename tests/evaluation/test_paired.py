"""The paired bootstrap against a loop, a case with a known answer, and what a p-value must be where nothing differs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mmcli.evaluation import paired
from mmcli.evaluation.paired import holm, mcnemar, p_value_of_draws, paired_p_values


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


def test_whole_groups_are_drawn_as_a_loop_draws_them():
    generator = np.random.default_rng(4)
    groups = [None if number == 7 else f"g{number % 6}" for number in range(25)]
    differences = generator.normal(0.3, 1.0, 25)
    named = [str(group) if group is not None else "alone" for group in groups]
    order = list(dict.fromkeys(named))
    rows_of = [[row for row, name in enumerate(named) if name == group] for group in order]
    mean, far = differences.mean(), 0
    for drawn in np.random.default_rng(2).integers(0, len(order), (300, len(order))):
        rows = [row for group in drawn for row in rows_of[group]]
        far += abs(differences[rows].mean() - mean) >= abs(mean) - 1e-12
    assert paired_p_values(differences[None], groups, draws=300, seed=2) == [(far + 1) / 301]
    assert paired_p_values(differences[None], ["one"] * 25, draws=300) == [None]


def test_alike_rows_of_a_group_do_not_count_as_evidence():
    """Of 12 groups of 20 equal rows, the p-value is about that of 12 rows."""
    few = np.random.default_rng(1).normal(0.25, 1.0, 12)
    many, groups = few.repeat(20)[None], np.arange(12).repeat(20).tolist()
    apart, together, alone = (
        paired_p_values(many)[0],
        paired_p_values(many, groups)[0],
        paired_p_values(few[None])[0],
    )
    assert together == pytest.approx(alone, abs=0.02)
    assert apart < together / 2


def test_of_a_metric_without_row_scores_it_is_read_off_the_draws():
    drawn = np.array([0.1, -0.2, 0.35, np.nan, 0.6, 0.0])
    # Centred on 0.3: -0.2, -0.5, 0.05, 0.3 and -0.3, of which three are as far from 0 as 0.3.
    assert p_value_of_draws(0.3, drawn) == pytest.approx((3 + 1) / (5 + 1))
    assert p_value_of_draws(-0.3, -drawn) == pytest.approx((3 + 1) / (5 + 1))
    assert p_value_of_draws(0.3, np.array([np.nan])) is None


def test_mcnemar_is_the_binomial_test_of_the_rows_that_one_has_right():
    first = np.array([1, 1, 1, 1, 1, 1, 0, 0, 1, 0], bool)
    second = np.array([1, 0, 0, 0, 0, 0, 1, 0, 1, 0], bool)
    assert mcnemar(first, second) == (5, 1, pytest.approx(2 * (1 + 6) / 2**6))
    assert mcnemar(first, first) == (0, 0, 1.0)


def test_holm_is_the_example_worked_by_hand():
    # Sorted: 0.005 · 4, 0.01 · 3, 0.03 · 2, and 0.04 · 1, which may not be below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_rejects_what_the_step_down_procedure_rejects():
    generator = np.random.default_rng(0)
    for _ in range(50):
        p_values = generator.uniform(0, 0.08, 6)
        rejected = set()
        for step, place in enumerate(np.argsort(p_values)):
            if p_values[place] > 0.05 / (6 - step):
                break
            rejected.add(int(place))
        assert {place for place, value in enumerate(holm(p_values.tolist())) if value <= 0.05} == rejected
