"""ROC and precision-recall curves, thinned for display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmcli.reports.facts.parts import Part
from mmcli.store.columns import Array
from mmcli.tasks.abilities import GivesProbabilities, HasPositive

_POINTS = 120
_CLASSES = 12
_DIGITS = 5


def curves_of(part: Part) -> dict[str, Any] | None:
    """Return the curves of a target's classes that some rows have and others do not, the most frequent first.

    Of two classes only the positive one has curves.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    if not isinstance(part.task, GivesProbabilities):
        return None
    names, truths = part.task.truths(part.wanted)
    counts = truths.sum(axis=0)
    places = [place for place in range(len(names)) if 0 < counts[place] < len(part)]
    positive = part.task.positive if isinstance(part.task, HasPositive) else None
    if positive is not None:
        places = [place for place in places if names[place] == positive]
    order = sorted(places, key=lambda place: (-counts[place], place))
    found: list[dict[str, Any]] = []
    for place in sorted(order[:_CLASSES]):
        true, score = truths[:, place], part.predictions[:, place]
        false_rate, true_rate, _ = roc_curve(true, score)
        precision, recall, _ = precision_recall_curve(true, score)
        found.append(
            {
                "name": names[place], "rows": int(counts[place]), "share": float(counts[place] / len(part)),
                "roc_auc": float(roc_auc_score(true, score)),
                "average_precision": float(average_precision_score(true, score)),
                "roc": _thinned(false_rate, true_rate), "pr": _thinned(recall[::-1], precision[::-1]),
            }
        )  # fmt: skip
    return {"classes": found, "of": len(order)} if found else None


def _thinned(x: Array, y: Array) -> list[list[float]]:
    """Return evenly spaced points of a curve, both ends included, as [x, y]."""
    chosen: Sequence[int] = range(len(x))
    if len(x) > _POINTS:
        chosen = sorted(set(np.linspace(0, len(x) - 1, _POINTS).round().astype(int).tolist()))
    return [[round(float(x[place]), _DIGITS), round(float(y[place]), _DIGITS)] for place in chosen]
