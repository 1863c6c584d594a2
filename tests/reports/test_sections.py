"""Sections that appear only where a report has what they show."""

from __future__ import annotations

from mmcli.reports.folder import ReportFolder
from mmcli.reports.page import fill, markdown_of, page_of

METRICS = {
    "task": "classification", "split": "test", "n": 40, "metrics": {"accuracy": 0.8}, "intervals": {}, "baselines": {},
    "subsets": {},
    "coverage": {
        "asked": 0.9, "measured": 0.875, "interval": [0.732, 0.958], "rows": 40, "mean_size": 1.25, "level": 0.6,
        "calibration_rows": 50, "by_class": {"a": {"coverage": 1.0, "rows": 20}, "b": {"coverage": 0.75, "rows": 20}},
    },
    "learning_curve": {
        "metric": "accuracy",
        "points": [
            {"share": 0.1, "rows": 8, "error": "needs at least two classes"},
            {"share": 0.4, "rows": 32, "metrics": {"accuracy": 0.7}, "intervals": {"accuracy": [0.6, 0.8]}},
            {"share": 1.0, "rows": 80, "metrics": {"accuracy": 0.8}, "intervals": {"accuracy": [0.7, 0.9]}},
        ],
        "gain": {"from": 0.4, "to": 1.0, "difference": 0.1, "interval": [0.01, 0.19], "p_value": 0.03},
    },
}  # fmt: skip
SELECTIVE = {
    "aurc": 0.05,
    "thresholds": [
        {"threshold": 0.0, "answered": 1.0, "rows": 40, "accuracy": 0.8},
        {"threshold": 0.9, "answered": 0.5, "rows": 20, "accuracy": 0.95},
        {"threshold": 0.99, "answered": 0.0, "rows": 0, "accuracy": None},
    ],
}


def test_what_is_said_of_uncertainty_and_of_more_train_rows(tmp_path):
    report = ReportFolder(tmp_path, given={"metrics": METRICS, "selective": SELECTIVE})
    filled = fill(report)
    assert [section.key for section, _ in filled] == ["headline", "uncertainty", "learning_curve"]
    charts = {chart.name: chart for _, content in filled for chart in content.charts}
    assert charts["selective"].series[0].points == [(0.5, 0.95), (1.0, 0.8)]
    assert charts["learning_curve"].series[2].points == [(32.0, 0.7), (80.0, 0.8)]
    assert [series.points for series in charts["learning_curve"].series[:2]] == [
        [(32.0, 0.6), (80.0, 0.7)],
        [(32.0, 0.8), (80.0, 0.9)],
    ]
    page = page_of("x", [(report, filled)])
    for told in ("<strong>0.875</strong> of 40 rows", "mean size is 1.250", "needs at least two classes", "p = 0.030"):
        assert told in page
    assert "| 0.900 | 0.875 | 0.732 … 0.958 |" in markdown_of("x", filled)


def test_a_folder_of_metrics_alone_has_a_page(tmp_path):
    bare = {name: METRICS[name] for name in ("task", "split", "n", "metrics", "intervals", "baselines", "subsets")}
    report = ReportFolder(tmp_path, given={"metrics": bare})
    assert [section.key for section, _ in fill(report)] == ["headline"]
    assert "accuracy is 0.800 on 40 rows" in page_of("x", [(report, fill(report))])
