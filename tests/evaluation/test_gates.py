"""Gates: what is read as one, which figures they find, and what continuous integration is told."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mmcli.errors import UsageError
from mmcli.evaluation.gates import judge, junit, parse_gate

REPORT = {
    "n": 20,
    "metrics": {"accuracy": 0.75, "image_to_text_recall@10": 0.5},
    "baselines": {"majority": {"accuracy": 0.5, "roc_auc": 0.5}},
    "subsets": {"image": {"accuracy": 0.6}, "image+text": {"accuracy": 0.75}},
    "groups": {
        "metric": "accuracy",
        "gap": 0.2,
        "columns": {"city": {"values": {"b.c": {"metrics": {"accuracy": 0.9}}}}},
    },
    "intervals": {"accuracy": [0.6, 0.9]},
}


@pytest.mark.parametrize(
    ("text", "value", "failed"),
    [
        ("accuracy<0.8", 0.75, True),
        ("accuracy<0.75", 0.75, False),
        ("accuracy<=0.75", 0.75, True),
        (" accuracy > 0.7 ", 0.75, True),
        ("accuracy>=7.6e-1", 0.75, False),
        ("metrics.accuracy<0.8", 0.75, True),
        ("image_to_text_recall@10<0.6", 0.5, True),
        ("subsets.image.accuracy<0.5", 0.6, False),
        ("subsets.image+text.accuracy<0.8", 0.75, True),
        ("groups.gap>0.1", 0.2, True),
        ("groups.columns.city.values.b.c.metrics.accuracy<0.95", 0.9, True),
        ("baselines.majority.accuracy>0.4", 0.5, True),
        ("intervals.accuracy.0<0.65", 0.6, True),
        ("n<50", 20, True),
    ],
)
def test_a_figure_is_compared(text, value, failed):
    (judged,) = judge([parse_gate(text)], REPORT)
    assert (judged.value, judged.failed) == (value, failed)


def test_a_figure_that_is_not_defined_fails():
    (judged,) = judge([parse_gate("roc_auc<0.1")], REPORT)
    assert judged.failed
    assert judged.message == "--fail-if 'roc_auc<0.1': roc_auc is not defined for these rows"


def test_a_metric_that_other_rows_could_have_fails():
    (judged,) = judge([parse_gate("r2<0.5")], {"metrics": {"mae": 1.0}}, possible=("r2", "mae"))
    assert judged.failed
    assert "r2 is not defined for these rows" in judged.message


@pytest.mark.parametrize("text", ["accuracy", "accuracy=0.8", "accuracy<", "<0.8", "accuracy<high", "accuracy<nan", ""])
def test_invalid_conditions_are_refused(text):
    with pytest.raises(UsageError, match="expected NAME<NUMBER"):
        parse_gate(text)


def test_an_unknown_figure_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        judge([parse_gate("acuracy<0.8")], REPORT)
    with pytest.raises(UsageError, match=r"did you mean 'subsets\.image\.accuracy'"):
        judge([parse_gate("subsets.imag.accuracy<0.8")], REPORT)


def test_junit_has_a_case_for_each():
    gates = [parse_gate(text) for text in ("accuracy<0.8", "accuracy > 0.9")]
    suite = ElementTree.fromstring(junit(judge(gates, REPORT), 'a "model" <x>'))
    assert suite.tag == "testsuite"
    assert (suite.get("tests"), suite.get("failures"), suite.get("name")) == ("2", "1", 'a "model" <x>')
    first, second = suite.findall("testcase")
    assert first.get("name") == "accuracy<0.8"
    assert first.find("failure").get("message") == "--fail-if 'accuracy<0.8': accuracy is 0.7500"
    assert second.find("failure") is None
