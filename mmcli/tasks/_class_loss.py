"""Losses and weights of classes; B rows of a batch, K classes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BETA = 0.999


def focal_loss(outputs: Tensor, encoded: Tensor, weight: Tensor | None, gamma: float, smoothing: float) -> Tensor:
    """Return the focal loss of outputs (B, K) with class indexes (B,), the mean in which rows weigh as their class.

    Of smoothed targets every class's part is made less by how right the row is of it; at a gamma of 0 that is torch's
    cross-entropy with the same weights and smoothing.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equations 4 and 5.
    """
    each = outputs.log_softmax(dim=1)
    # Off 0, at which a power below 1 has no slope.
    wrong = (-each.expm1()).clamp(min=torch.finfo(each.dtype).tiny)
    classes = outputs.shape[1]
    own = encoded[:, None] == torch.arange(classes, device=encoded.device)
    wanted = own.to(outputs.dtype) * (1 - smoothing) + smoothing / classes
    weight = outputs.new_ones(classes) if weight is None else weight
    return -(wanted * weight * wrong**gamma * each).sum() / weight[encoded].sum()


def weights_of_classes(
    encoded: NDArray[np.int64], classes: int, mode: Literal["none", "balanced", "effective"]
) -> Tensor | None:
    """Return the weight of each class, (K,), for rows of the classes at these indexes, (N,); None for equal ones.

    Under ``balanced`` ones all classes count alike; see ``effective_weights`` for the others.
    """
    if mode == "none":
        return None
    counts = np.bincount(encoded, minlength=classes).clip(min=1)
    weights = len(encoded) / (classes * counts) if mode == "balanced" else effective_weights(counts)
    return torch.tensor(weights, dtype=torch.float32)


def effective_weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return weights (K,) of classes that have so many rows, at least 1: their mean is 1.

    They are inverse to the effective number of rows, (1 - beta^n) / (1 - beta) of n, with a beta of 0.999.

    Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, sections 3 and 4.
    """
    weights = (1 - _BETA) / (1 - _BETA**counts)
    return np.asarray(weights / weights.mean(), np.float64)
