"""Names of classes, and what is said of rows by them; N rows, K classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mmcli.errors import MmcliError

_DECIMAL = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.(\d+))?")


def class_name(target: Any) -> str | None:
    """Return the name of a target's class; None where it is empty or not a single value."""
    text = str(target)
    if target is None or isinstance(target, list | tuple | dict) or not text.strip():
        return None
    if text.lower() in ("true", "false"):
        return text.lower()
    number = _DECIMAL.fullmatch(text)
    if number is None:
        return text
    fraction = (number[2] or "").rstrip("0")
    return f"{number[1]}.{fraction}" if fraction else number[1].replace("-0", "0")


def class_names(task: str, targets: Sequence[Any]) -> list[str]:
    """Return the name of each target's class, (N,), for the task of this name.

    Raises:
        MmcliError: A target is empty, a list or no Unicode text.
    """
    names = []
    for target in targets:
        name = class_name(target)
        if name is None:
            raise MmcliError(f"{task} needs one class a row, not {target!r}")
        if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
            raise MmcliError(f"the class {name!r} holds half a surrogate pair, which no text has")
        names.append(name)
    return names


def class_order(name: str) -> tuple[bool, float, str]:
    """Return what classes are sorted by: numbers by value, then words."""
    is_number = _DECIMAL.fullmatch(name) is not None
    return (not is_number, float(name) if is_number else 0.0, name)


def class_indexes(classes: Sequence[str], targets: Sequence[Any]) -> NDArray[np.int64]:
    """Return the place of each target among the classes, (N,).

    Raises:
        MmcliError: One is not among them.
    """
    index: dict[str | None, int] = {name: position for position, name in enumerate(classes)}
    found = [index.get(class_name(target), -1) for target in targets]
    if -1 in found:
        unseen = targets[found.index(-1)]
        raise MmcliError(f"target {unseen!r} is none of the {len(classes)} classes of the train rows")
    return np.array(found, np.int64)


def class_records(
    classes: Sequence[str],
    probabilities: NDArray[np.float64],
    predicted: NDArray[np.int64],
    known: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Return for each row the class decided on, its probability, and those of all classes by name.

    Args:
        classes: Their names.
        probabilities: (N, K).
        predicted: The index of the class decided for each row, (N,).
        known: False where a row had no feature, (N,): it has no such class.
    """
    return [
        {
            "label": classes[place] if there else None,
            "probability": float(row[place]) if there else None,
            "probabilities": dict(zip(classes, row.tolist(), strict=True)),
        }
        for row, place, there in zip(probabilities, predicted, known, strict=True)
    ]


def confusion(classes: Sequence[str], predicted: NDArray[np.int64], encoded: NDArray[np.int64]) -> dict[str, Any]:
    """Return classes and counts (K, K), a row for each true class, a column for each predicted."""
    counts = metrics.confusion_matrix(encoded, predicted, labels=range(len(classes)))
    return {"classes": list(classes), "counts": counts.tolist()}
