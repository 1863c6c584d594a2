"""The area under the risk-coverage curve and the accuracy above thresholds, against sums row by row."""

import itertools

import numpy as np
import pytest

from mmcli.evaluation.selective import THRESHOLDS, risk_coverage


def test_the_area_is_the_mean_error_of_the_surest_rows():
    random = np.random.default_rng(0)
    confidence, right = random.random(80), random.random(80) < 0.7
    order = np.argsort(-confidence)
    risks = [1 - right[order[:count]].mean() for count in range(1, 81)]
    assert risk_coverage(confidence, right)["aurc"] == pytest.approx(np.mean(risks))


def test_rows_of_equal_confidence_count_as_in_random_order():
    confidence, right = np.array([0.9, 0.5, 0.5, 0.5, 0.1]), np.array([True, True, False, False, False])
    areas = []
    for middle in itertools.permutations([1, 2, 3]):
        order = [0, *middle, 4]
        areas.append(np.mean([1 - right[order[:count]].mean() for count in range(1, 6)]))
    assert risk_coverage(confidence, right)["aurc"] == pytest.approx(np.mean(areas))


def test_each_threshold_has_the_share_of_rows_answered_and_their_accuracy():
    confidence, right = np.array([0.55, 0.75, 0.75, 0.9]), np.array([False, True, False, True])
    found = {each["threshold"]: each for each in risk_coverage(confidence, right, [0.75])["thresholds"]}
    assert list(found) == sorted({0.0, 0.75, *THRESHOLDS})
    assert found[0.0] == {"threshold": 0.0, "answered": 1.0, "rows": 4, "accuracy": 0.5}
    assert found[0.75] == {"threshold": 0.75, "answered": 0.75, "rows": 3, "accuracy": pytest.approx(2 / 3)}
    assert found[0.95] == {"threshold": 0.95, "answered": 0.0, "rows": 0, "accuracy": None}
