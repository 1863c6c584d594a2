"""The level of split conformal prediction: its rank, and what it promises for exchangeable scores."""

import math

import numpy as np
import pytest

from mmcli.evaluation.conformal import level_of, rows_needed, share_interval


@pytest.mark.parametrize(
    ("rows", "coverage", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (99, 0.57, 57), (99, 0.07, 7), (100, 0.5, 51)]
)
def test_the_level_is_the_score_of_a_corrected_rank(rows, coverage, rank):
    assert level_of(np.arange(1.0, rows + 1), coverage) == rank


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 2 / 3])
def test_one_row_fewer_than_needed_leaves_the_level_infinite(coverage):
    needed = rows_needed(coverage)
    assert math.isfinite(level_of(np.zeros(needed), coverage))
    assert level_of(np.zeros(needed - 1), coverage) == math.inf


@pytest.mark.parametrize(("rows", "coverage"), [(20, 0.8), (50, 0.9), (200, 0.95)])
def test_a_further_score_is_up_to_the_level_as_often_as_promised(rows, coverage):
    draws = 20_000
    scores = np.random.default_rng(rows).exponential(size=(draws, rows + 1))
    covered = np.mean([own[-1] <= level_of(np.sort(own[:-1]), coverage) for own in scores])
    exact = math.ceil((rows + 1) * coverage) / (rows + 1)
    assert coverage <= exact <= coverage + 1 / (rows + 1)
    assert abs(covered - exact) < 4 * math.sqrt(exact * (1 - exact) / draws)


def test_the_interval_of_a_share_is_wilsons():
    hits, rows, z = 47, 50, 1.959963984540054
    share = hits / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    assert share_interval(hits, rows) == pytest.approx([middle - reach, middle + reach])
    assert share_interval(50, 50)[0] < 0.95
