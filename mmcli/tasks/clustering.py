"""Groups of similar rows; no target is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmcli.errors import MmcliError, UsageError
from mmcli.store.labels import class_name
from mmcli.store.state import State
from mmcli.tasks._class_names import class_names, class_order
from mmcli.tasks._cluster_metrics import NONE, Numbers, cluster_draws, contingency, silhouette, silhouettes

Floats = NDArray[np.float64]


class Clustering:
    """Clusters of rows by their fused features; labels, if any, only measure them.

    A prediction is the number of a row's cluster, -1 for none, followed by its fused features. Labels are one value per
    row, as in classification; none is learnt, so evaluate also counts labels that no train row has.
    """

    version = 1
    link = "cluster"
    target = "optional"
    model = "sklearn:kmeans"
    monitor = "nmi"
    headline = ("nmi", "ari", "purity", "silhouette")
    smaller_is_better = ("noise",)

    def __init__(self) -> None:
        self.classes: list[str] = []

    def fault(self, target: Any) -> str | None:
        """Return what was expected if a label is invalid; an empty label is valid."""
        return "one label, or none" if target is not None and class_name(target) is None else None

    def fit(self, targets: Sequence[Any]) -> None:
        """Learn the labels, if there are any.

        Raises:
            MmcliError: A label is a list or not valid Unicode.
        """
        there = [target for target in targets if target is not None]
        self.classes = sorted(set(class_names("clustering", there)), key=class_order)

    @property
    def out_dim(self) -> int:
        """One output, the number of the cluster; a row's fused features follow it."""
        return 1

    def known(self, target: Any) -> bool:
        """Return whether a label, or an empty one, can be encoded."""
        return self.fault(target) is None

    def references(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Return the label of each row, (N,) texts, None if there is none.

        Raises:
            MmcliError: A label is not a single value.
        """
        found = np.empty(len(targets), object)
        found[:] = [self._require(target) for target in targets]
        return found

    def encode(self, targets: Sequence[Any]) -> Numbers:
        """Return the index of each label, (N,), -1 if there is none or no train row has it.

        Raises:
            MmcliError: A label is not a single value.
        """
        index: dict[str | None, int] = {name: place for place, name in enumerate(self.classes)}
        return np.array([index.get(self._require(target), NONE) for target in targets], np.int64)

    def decode(self, encoded: Numbers) -> list[str | None]:
        """Return the labels at these indexes, None if there is none."""
        return [None if index == NONE else self.classes[index] for index in encoded]

    def class_weights(self, encoded: Numbers, mode: Literal["none", "balanced", "effective"]) -> Tensor | None:
        """Return None.

        Raises:
            UsageError: Weights are requested.
        """
        if mode != "none":
            raise UsageError(f"--class-weights {mode}: clustering learns from no labels")
        return None

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Raise an error: networks do not learn clusters.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"--task clustering: networks do not support it; leave --model out, or use {self.model}")

    def predictions(self, outputs: Tensor) -> Floats:
        """Return the number of each row's cluster and its fused features, (N, 1 + D)."""
        found: Floats = outputs.detach().cpu().double().numpy()
        return found

    def prior(self) -> Floats:
        """Return the prediction of no cluster, (1,)."""
        return np.array([NONE], np.float64)

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return the number of each row's cluster; null for noise and for rows without features."""
        del known  # such rows are in no cluster
        return [{"cluster": None if number == NONE else number} for number in _clusters(predictions).tolist()]

    def metrics(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, float]:
        """Return the metrics of these rows by name; labels are as ``encode`` or ``references`` returns them.

        ``silhouette`` is of rows in clusters, if there are at least two clusters. Rows with labels count in ``nmi``,
        ``ari``, ``purity``, ``homogeneity``, ``completeness`` and ``v_measure``, in which noise is a cluster. ``noise``
        is the share of rows in no cluster.

        Raises:
            MmcliError: There are no rows.
        """
        if not len(encoded):
            raise MmcliError("there are no rows to measure")
        clusters, (numbers, _) = _clusters(predictions), self._numbered(encoded)
        found = {
            name: float(values[0])
            for name, values in cluster_draws(numbers, clusters, np.ones((1, len(encoded)), np.int64)).items()
        }
        spread = silhouette(predictions[:, 1:], clusters)
        return found if spread is None else {**found, "silhouette": spread}

    def row_scores(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Floats]:
        """Return the numbers whose mean is ``noise``, (N,)."""
        del encoded
        return {"noise": (_clusters(predictions) == NONE).astype(np.float64)}

    def metrics_of_draws(
        self, predictions: Floats, encoded: NDArray[Any], counts: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Return all metrics of each draw, (D,).

        ``silhouette`` is the mean of the drawn rows' own silhouettes, which are measured once, among all rows.
        """
        clusters = _clusters(predictions)
        found = cluster_draws(self._numbered(encoded)[0], clusters, counts)
        if (spread := silhouettes(predictions[:, 1:], clusters)) is not None:
            rows, own = spread
            drawn = counts[:, rows].sum(axis=1)
            total = counts[:, rows] @ own
            found["silhouette"] = np.divide(total, drawn, out=np.full(len(counts), np.nan), where=drawn > 0)
        return found

    def tables(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Any]:
        """Return ``clusters``: the number of rows by label and cluster; null is no label, and noise."""
        indexes, names = self._numbered(encoded)
        tables, numbers = contingency(indexes, _clusters(predictions), np.ones((1, len(encoded)), np.int64))
        shown = [None if number == NONE else number for number in numbers.tolist()]
        labels: list[str | None] = [*names[: len(tables[0]) - 1], None]
        counts = tables[0].tolist()
        if not any(counts[-1]):
            labels, counts = labels[:-1], counts[:-1]
        return {"clusters": {"labels": labels, "clusters": shown, "counts": counts}}

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``one_cluster``, all rows in one, and ``random``, random clusters, as many as there are labels.

        The silhouette of one cluster is 0, as for rows that are as close to another cluster as to their own.
        """
        drawn = np.random.default_rng(0).integers(0, max(2, len(self._numbered(encoded)[1])), (len(encoded), 1))
        one = self.metrics(np.zeros((len(encoded), 1)), encoded)
        return {"one_cluster": {**one, "silhouette": 0.0}, "random": self.metrics(drawn.astype(np.float64), encoded)}

    def state(self) -> State:
        """Return the labels."""
        return State({"classes": self.classes})

    def load_state(self, state: State) -> None:
        """Restore the labels."""
        self.classes = list(state.values["classes"])

    def _require(self, target: Any) -> str | None:
        fault = self.fault(target)
        if fault is not None:
            raise MmcliError(f"target {target!r}: expected {fault}")
        return None if target is None else class_name(target)

    def _numbered(self, encoded: NDArray[Any]) -> tuple[Numbers, list[str]]:
        """Return labels as numbers, (N,), -1 if there is none, and their names."""
        if encoded.dtype != object:
            return encoded, self.classes
        names = sorted({name for name in encoded if name is not None}, key=class_order)
        index: dict[str | None, int] = {name: place for place, name in enumerate(names)}
        return np.array([index.get(name, NONE) for name in encoded], np.int64), names


def _clusters(predictions: Floats) -> Numbers:
    return predictions[:, 0].round().astype(np.int64)
