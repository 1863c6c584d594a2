"""Shapley values against their definition, by all orders in which members join."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from mmcli.evaluation.shapley import interaction, shapley_values, told_shapley


def game(names, seed):
    random = np.random.default_rng(seed)
    return {
        frozenset(part): float(random.normal()) for size in range(len(names) + 1) for part in combinations(names, size)
    }


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_values_are_mean_gains_over_all_orders(count):
    names = "abcde"[:count]
    worth = game(names, count)
    gains = {name: [] for name in names}
    for order in permutations(names):
        for place, name in enumerate(order):
            gains[name].append(worth[frozenset(order[: place + 1])] - worth[frozenset(order[:place])])
    found = shapley_values(names, worth)
    assert found == pytest.approx({name: np.mean(each) for name, each in gains.items()})
    assert sum(found.values()) == pytest.approx(worth[frozenset(names)] - worth[frozenset()])


def test_an_interaction_is_the_gain_of_a_pair_beyond_both_alone():
    worth = {frozenset(): 0.1, frozenset("a"): 0.3, frozenset("b"): 0.4, frozenset("ab"): 0.9}
    assert interaction("ab", worth) == pytest.approx(0.9 - 0.1 - (0.3 - 0.1) - (0.4 - 0.1))


def test_sentences_name_useless_modalities_and_pairs():
    found = {
        "metric": "accuracy", "none": 0.1, "all": 0.9, "last": {"a": 0.4, "b": 0.35, "c": 0.01},
        "last_p_values": {"a": 0.001, "b": 0.002, "c": 0.4}, "interactions": {"a+b": 0.3, "a+c": -0.2, "b+c": 0.01},
    }  # fmt: skip
    told = told_shapley(found)
    assert told == [
        "c adds nothing measurable to accuracy once a and b are there (p = 0.4)",
        "a and b complement each other: together +0.3000 beyond the sum of both alone",
        "a and c are redundant: together -0.2000 beyond the sum of both alone",
    ]
    smaller = {**found, "none": 2.0, "all": 1.0, "last_p_values": {}, "interactions": {"a+b": -0.5}}
    assert told_shapley(smaller) == ["a and b complement each other: together -0.5000 beyond the sum of both alone"]
