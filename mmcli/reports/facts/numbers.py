"""Predicted against true numbers, and their residuals."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmcli.reports.facts.parts import Part

_POINTS = 1500
_BINS = 24


def numbers_of(part: Part, seed: int) -> dict[str, Any] | None:
    """Return a sample of predicted and true numbers, and a histogram of all residuals (predicted minus true)."""
    if part.task.link != "identity":
        return None
    predicted = np.array([answer["value"] for answer, _ in part.answers], np.float64)
    true = np.asarray(part.wanted, np.float64)
    chosen = np.arange(len(part))
    if len(part) > _POINTS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(part), _POINTS, replace=False))
    residuals = predicted - true
    counts, edges = np.histogram(residuals, _BINS)
    return {
        "rows": part.rows[chosen].tolist(), "true": true[chosen].tolist(), "predicted": predicted[chosen].tolist(),
        "of": len(part), "residuals": {"edges": edges.tolist(), "counts": counts.tolist()},
    }  # fmt: skip
