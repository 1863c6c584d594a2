"""Rows by the value of a column."""

from __future__ import annotations

import pytest

from mmcli.evaluation.groups import gap_of, rows_by_value


def test_rows_are_those_of_each_value_the_most_frequent_first():
    found = rows_by_value(["b", "a", None, " a ", "b", "b", ""])
    assert {value: rows.tolist() for value, rows in found.items()} == {"b": [0, 4, 5], "": [2, 6], "a": [1, 3]}
    assert list(found) == ["b", "", "a"]
    assert list(rows_by_value([1, 2.5, 1])) == ["1", "2.5"]


def values(**scores):
    return {name: {"rows": rows, "metrics": {"m": score}} for name, (rows, score) in scores.items()}


@pytest.mark.parametrize(("small", "best", "worst"), [(False, "a", "b"), (True, "b", "a")])
def test_the_gap_is_between_the_best_and_the_worst(small, best, worst):
    found = gap_of(values(a=(20, 0.9), b=(10, 0.5), c=(30, 0.7), few=(9, 0.0)), "m", small_is_better=small)
    assert found == {"gap": pytest.approx(0.4), "best": best, "worst": worst}


def test_a_single_value_has_no_gap():
    assert gap_of(values(a=(20, 0.9), few=(9, 0.1)), "m", small_is_better=False) == {}
    assert gap_of({"a": {"rows": 20, "metrics": {}}, **values(b=(20, 1.0))}, "m", small_is_better=False) == {}
