"""Class names, and answers and tables that use them; N rows, K classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mmcli.errors import MmcliError
from mmcli.store.labels import DECIMAL, class_name

Indexes = NDArray[np.int64]
TRUTH, NUMBERS = ("false", "true"), ("0", "1")


def class_names(task: str, targets: Sequence[Any]) -> list[str]:
    """Return the name of each target's class, (N,), for the task of this name.

    Raises:
        MmcliError: A target is empty, a list or not valid Unicode.
    """
    names = []
    for target in targets:
        name = class_name(target)
        if name is None:
            raise MmcliError(f"{task} needs one class per row, not {target!r}")
        if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
            raise MmcliError(f"the class {name!r} contains half a surrogate pair, which is not valid Unicode")
        names.append(name)
    return names


def are_numbers(classes: Sequence[str]) -> bool:
    """Return whether all classes are numbers."""
    return all(DECIMAL.fullmatch(name) for name in classes)


def class_order(name: str) -> tuple[bool, float, str]:
    """Return the sort key of a class: numbers by value, then words."""
    is_number = DECIMAL.fullmatch(name) is not None
    return (not is_number, float(name) if is_number else 0.0, name)


def class_places(classes: Sequence[str]) -> dict[str | None, int]:
    """Return the index of each class by name; an older model may spell its classes differently.

    If the classes are true and false, 1 and 0 stand for them, and vice versa.
    """
    found: dict[str | None, int] = {}
    for place, name in enumerate(classes):
        found.setdefault(class_name(name), place)
    for pair, other in ((TRUTH, NUMBERS), (NUMBERS, TRUTH)):
        if found.keys() == set(pair):
            found |= {name: found[same] for name, same in zip(other, pair, strict=True)}
    return found


def class_indexes(classes: Sequence[str], targets: Sequence[Any]) -> Indexes:
    """Return the index of each target among the classes, (N,).

    Raises:
        MmcliError: A target is not among them.
    """
    places = class_places(classes)
    found = [places.get(class_name(target), -1) for target in targets]
    if -1 in found:
        unseen = targets[found.index(-1)]
        raise MmcliError(f"target {unseen!r} is not one of the {len(classes)} classes of the train rows")
    return np.array(found, np.int64)


def class_references(task: str, targets: Sequence[Any]) -> NDArray[Any]:
    """Return the name of each target's class, (N,) objects, including unseen classes."""
    found = np.empty(len(targets), object)
    found[:] = class_names(task, targets)
    return found


def numbered(classes: Sequence[str], encoded: NDArray[Any]) -> tuple[Indexes, list[str]]:
    """Return the index of each row's class, (N,), and all class names, unseen classes last.

    Args:
        classes: The classes of the train rows.
        encoded: Indexes among them, or names as ``class_references`` returns them.
    """
    if encoded.dtype != object:
        return encoded, list(classes)
    places = class_places(classes)
    unseen = sorted({name for name in encoded if name not in places}, key=class_order)
    places |= {name: len(classes) + place for place, name in enumerate(unseen)}
    return np.array([places[name] for name in encoded], np.int64), [*classes, *unseen]


def class_records(
    classes: Sequence[str],
    probabilities: NDArray[np.float64],
    predicted: NDArray[np.int64],
    known: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Return for each row the predicted class, its probability, and those of all classes by name.

    Args:
        classes: The class names.
        probabilities: (N, K).
        predicted: The index of each row's predicted class, (N,).
        known: False for a row without features, (N,), which gets no predicted class.
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
    """Return classes and counts (K, K), true classes in rows, predicted classes in columns."""
    counts = metrics.confusion_matrix(encoded, predicted, labels=range(len(classes)))
    return {"classes": list(classes), "counts": counts.tolist()}


def by_class(classes: Sequence[str], predicted: Indexes, encoded: Indexes) -> dict[str, dict[str, float]]:
    """Return ``precision``, ``recall``, ``f1`` and ``rows`` of each class by name; 0 if undefined.

    Args:
        classes: All class names.
        predicted: The index of each row's predicted class, (N,).
        encoded: The index of each row's true class, (N,).
    """
    scores = metrics.precision_recall_fscore_support(
        encoded, predicted, labels=range(len(classes)), average=None, zero_division=0
    )
    return {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "rows": int(rows)}
        for name, precision, recall, f1, rows in zip(classes, *scores, strict=True)
    }
