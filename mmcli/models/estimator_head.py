"""A scikit-learn estimator as a network's head."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmcli.errors import MmcliError, UsageError
from mmcli.models.cluster_count import choose_clusters
from mmcli.models.estimators import (
    FAMILY,
    Role,
    build_estimator,
    fits_in_threads,
    is_calibrated,
    read_estimators,
    write_estimators,
)
from mmcli.models.soundness import is_sound
from mmcli.registry import Spec

Floats = NDArray[np.float64]
_ROLES: Mapping[str, Role] = {
    "softmax": "classes", "sigmoid": "classes", "identity": "numbers", "cluster": "clusters",
}  # fmt: skip
_LEAST = float(np.finfo(np.float64).eps)
"""Floor of an estimator's probabilities, so that logarithms are finite."""
_FOLDS = 5
_FILE = "estimator.skops"


class EstimatorHead(nn.Module):
    """Outputs (B, K) from fused vectors (B, D) by a scikit-learn estimator, which is fitted to all rows at once.

    Each label and each quantile of a number has its own estimator. Rows are passed as float64.

    Args:
        in_dim: The width D of the fused vector.
        out_dim: The number of outputs K of the task.
        spec: ``sklearn``, the estimator's name, and its options.
        link: The type of outputs: ``softmax`` for log probabilities, ``sigmoid`` for logits, ``identity``, or
            ``cluster`` for a row's cluster number followed by its fused vector, (B, 1 + D).
        seed: Seed of the estimator.
        wanted: For a task of numbers, maps encoded targets to the outputs that predict them exactly, (N, K).
        levels: The quantiles that the outputs stand for; () for none.

    Raises:
        UsageError: The estimator does not predict what the task needs.
    """

    def __init__(
        self, in_dim: int, out_dim: int, *, spec: Spec, link: str, seed: int,
        wanted: Callable[[Any], Floats] | None = None, levels: Sequence[float] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        if link not in _ROLES or (link == "identity") != (wanted is not None):
            raise UsageError(f"--model {spec}: no estimator supports this task; leave --model out")
        self.in_dim, self.out_dim = in_dim, out_dim
        self.spec, self.link, self.seed, self.levels = spec, link, seed, tuple(levels)
        self.role = _ROLES[link]
        self._wanted = wanted
        if levels and spec.argument != "hist_gradient_boosting":
            raise UsageError(
                f"--model {spec}: does not learn quantiles, which intervals need; use --model "
                f"{FAMILY}:hist_gradient_boosting, or another loss"
            )
        if levels and "loss" in spec.options:
            raise UsageError(f"--model {spec}: the quantiles determine its loss; leave loss out")
        self._plain = build_estimator(spec, self.role, seed)
        self.parts: list[Any] = []

    def fit(self, fused: NDArray[Any], encoded: NDArray[Any], weight: NDArray[Any] | None = None) -> str | None:
        """Fit to rows.

        Args:
            fused: (N, D).
            encoded: Targets as the task encodes them: class indexes (N,), labels (N, K) of 0 and 1, or numbers.
            weight: Weight of each class, or of each label's positives against its negatives, (K,).

        Returns:
            Automatic choices and scikit-learn's warnings; None if there are none.

        Raises:
            UsageError: The estimator rejects an option's value or the rows.
        """
        rows = np.asarray(fused, np.float64)
        told: list[str] = []
        with warnings.catch_warnings(record=True) as warned, self._errors():
            warnings.simplefilter("always")
            if self.link == "softmax":
                self.parts = [self._fit_classes(rows, encoded, None if weight is None else weight[encoded])]
            elif self.link == "sigmoid":
                self.parts = [self._fit_label(rows, encoded, weight, label) for label in range(self.out_dim)]
            elif self.link == "identity":
                self.parts = self._fit_numbers(rows, encoded)
            else:
                self.parts = [self._fit_clusters(rows, told)]
        told += [str(each.message).strip().partition("\n")[0] for each in warned]
        return "; ".join(dict.fromkeys(told)) or None

    def forward(self, fused: Tensor) -> Tensor:
        """Return (B, K), or (B, 1 + D) for clusters, float64 on the CPU."""
        rows = fused.detach().cpu().double().numpy()
        with self._errors():
            if self.link == "softmax":
                outputs = self._log_probabilities(rows)
            elif self.link == "sigmoid":
                outputs = np.stack([_logits(part, rows) for part in self.parts], axis=1)
            elif self.link == "identity":
                outputs = np.stack([part.predict(rows) for part in self.parts], axis=1)
            else:
                outputs = np.column_stack([self.parts[0].predict(rows), rows])
        return torch.from_numpy(np.asarray(outputs, np.float64))

    def save(self, path: Path) -> None:
        """Write the fitted estimators."""
        write_estimators(self.parts, path)

    def load(self, path: Path) -> None:
        """Load the estimators that ``save`` wrote.

        Raises:
            MmcliError: The file is damaged, or holds another estimator.
        """
        parts = read_estimators(path, self.spec)
        count = self.out_dim if self.link in ("sigmoid", "identity") else 1
        try:
            fits = len(parts) == count and all(map(self._fits, parts))
        except (AttributeError, ValueError, TypeError, IndexError, KeyError):  # parts without the expected attributes
            fits = False
        if not fits:
            raise MmcliError(f"{path}: damaged, or the estimator of another model; train it again")
        self.parts = parts

    def _fits(self, part: Any) -> bool:
        if self.link == "sigmoid" and isinstance(part, float):
            return True
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.neighbors import KNeighborsClassifier

        kind: type = type(self._plain)
        if self.role == "clusters" and not hasattr(kind, "predict"):
            kind = KNeighborsClassifier
        inner = [part]
        if self.role == "classes" and is_calibrated(self.spec):
            if type(part) is not CalibratedClassifierCV:
                return False
            inner = [each.estimator for each in part.calibrated_classifiers_]
        return all(type(each) is kind and is_sound(each, self.in_dim) for each in inner)

    def _fit_classes(self, rows: Floats, classes: NDArray[Any], weight: NDArray[Any] | None) -> Any:
        made = build_estimator(self.spec, "classes", self.seed)
        if is_calibrated(self.spec):
            from sklearn.calibration import CalibratedClassifierCV

            least = int(np.unique(classes, return_counts=True)[1].min())
            if least < 2:
                raise UsageError(
                    f"--model {self.spec}: its probabilities are calibrated on folds, which need two train rows per "
                    "class; one class has a single row: use another model, or leave that row out"
                )
            made = CalibratedClassifierCV(made, ensemble=False, cv=min(_FOLDS, least))
        return self._fit(made, rows, classes, weight)

    def _fit_label(self, rows: Floats, labels: NDArray[Any], weight: NDArray[Any] | None, label: int) -> Any:
        own = labels[:, label].astype(np.int64)
        if own.min() == own.max():
            return float(own[0])
        return self._fit_classes(rows, own, None if weight is None else np.where(own == 1, weight[label], 1.0))

    def _fit_numbers(self, rows: Floats, encoded: NDArray[Any]) -> list[Any]:
        assert self._wanted is not None
        wanted = self._wanted(encoded)
        given: list[dict[str, Any]] = [{"loss": "quantile", "quantile": level} for level in self.levels]
        return [
            self._fit(build_estimator(self.spec, "numbers", self.seed, **own), rows, wanted[:, place])
            for place, own in enumerate(given or [{}] * self.out_dim)
        ]

    def _fit_clusters(self, rows: Floats, told: list[str]) -> Any:
        from sklearn.neighbors import KNeighborsClassifier
        from threadpoolctl import threadpool_limits

        # Several threads would add up sums in varying order.
        with threadpool_limits(1):
            count = choose_clusters(self.spec, rows, self.seed)
            if count is not None:
                told.append(
                    f"{count} clusters, the number from 2 to 20 with the best silhouette on train rows "
                    f"({self.spec.argument}:n_clusters=N chooses)"
                )
            made = build_estimator(self.spec, "clusters", self.seed, **({} if count is None else {"n_clusters": count}))
            made.fit(rows)
        if hasattr(made, "predict"):
            return made
        return KNeighborsClassifier(1, algorithm="brute").fit(rows, made.labels_)

    def _fit(self, made: Any, rows: Floats, targets: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
        from sklearn.utils.validation import has_fit_parameter

        if weight is not None and not has_fit_parameter(getattr(made, "estimator", made), "sample_weight"):
            raise UsageError(f"--class-weights: --model {self.spec} does not take weights; leave one of them out")
        threads = fits_in_threads(self.spec)
        if threads:
            made.set_params(n_jobs=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
        made.fit(rows, targets, **({} if weight is None else {"sample_weight": weight}))
        if hasattr(made, "_bin_mapper"):  # it stores the number of threads, which would change the file
            made._bin_mapper.n_threads = 1
        return made.set_params(n_jobs=None) if threads else made

    def _log_probabilities(self, rows: Floats) -> Floats:
        part = self.parts[0]
        found: Floats = np.full((len(rows), self.out_dim), _LEAST)
        found[:, part.classes_] = part.predict_proba(rows).clip(min=_LEAST)
        return np.asarray(np.log(found), np.float64)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn scikit-learn's errors into one line."""
        try:
            yield
        except MmcliError:
            raise
        except (ValueError, TypeError, IndexError, MemoryError) as error:
            raise UsageError(f"--model {self.spec}: {str(error).strip().partition(chr(10))[0]}") from None


def estimators_of(head: nn.Module) -> dict[str, EstimatorHead]:
    """Return the estimators of a head by file name."""
    found = [module for module in head.modules() if isinstance(module, EstimatorHead)]
    if head in found:
        return {_FILE: found[0]}
    return {_FILE.replace(".", f"-{number}."): each for number, each in enumerate(found, 1)}


def _logits(part: Any, rows: Floats) -> Floats:
    """Return the logits of a label's probability, from an estimator or the same for all rows."""
    chance = np.full(len(rows), part) if isinstance(part, float) else part.predict_proba(rows)[:, 1]
    bounded = chance.clip(_LEAST, 1 - _LEAST)
    return np.asarray(np.log(bounded) - np.log1p(-bounded), np.float64)
