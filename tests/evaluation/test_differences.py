"""The sentence of a pair of models: always said of the better one, whichever was named first."""

from __future__ import annotations

import pytest

from mmcli.evaluation.differences import told_differences


def told(difference, bounds, p_value, *, small=False, **more):
    own = {"m": difference, "intervals": {"m": bounds}, "p_value": p_value, **more}
    (found,) = told_differences(
        {"pairs": {"b-a": ("b", "a")}, "metric": "m", "smaller_is_better": small, "differences": {"b-a": own}}
    )
    return found


@pytest.mark.parametrize(
    ("difference", "bounds", "small", "better", "worse"),
    [
        (0.03, [0.01, 0.06], False, "b", "a"),
        (-0.03, [-0.06, -0.01], False, "a", "b"),
        (-0.03, [-0.06, -0.01], True, "b", "a"),
        (0.03, [0.01, 0.06], True, "a", "b"),
    ],
)
def test_the_gain_is_that_of_the_better_model(difference, bounds, small, better, worse):
    found = told(difference, bounds, 0.02, small=small)
    assert found == f"{better} is better than {worse} by 0.0300 [0.0100, 0.0600] in m, p = 0.02"


def test_a_difference_that_may_be_chance_is_not_called_one():
    found = told(-0.01, [-0.03, 0.01], 0.04, p_holm=0.12)
    assert found == (
        "a and b do not differ measurably in m: +0.0100 [-0.0100, 0.0300], p = 0.04 (0.12 adjusted for 1 pairs)"
    )


def test_the_sentence_counts_rows_that_only_one_model_has_right():
    test = {"only_first_right": 2, "only_second_right": 9, "p_value": 0.065}
    assert told(-0.1, [-0.2, 0.0], 0.05, mcnemar=test).endswith(
        "; only a is right in 9 rows, only b in 2 (McNemar p = 0.065)"
    )
