"""Losses and class weights; B rows of a batch, K classes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BETA = 0.999


def focal_loss(outputs: Tensor, encoded: Tensor, weight: Tensor | None, gamma: float, smoothing: float) -> Tensor:
    """Return the focal loss of outputs (B, K) for class indexes (B,), a mean weighted by class.

    With smoothed targets, each class's term is scaled down by how well the row predicts it; with gamma 0 this equals
    torch's cross-entropy with the same weights and smoothing.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equations 4 and 5.
    """
    each = outputs.log_softmax(dim=1)
    # Keep away from 0, where a power below 1 has no gradient.
    wrong = (-each.expm1()).clamp(min=torch.finfo(each.dtype).tiny)
    classes = outputs.shape[1]
    own = encoded[:, None] == torch.arange(classes, device=encoded.device)
    wanted = own.to(outputs.dtype) * (1 - smoothing) + smoothing / classes
    weight = outputs.new_ones(classes) if weight is None else weight
    return -(wanted * weight * wrong**gamma * each).sum() / weight[encoded].sum()


def weights_of_classes(
    encoded: NDArray[np.int64], classes: int, mode: Literal["none", "balanced", "effective"]
) -> Tensor | None:
    """Return the weight of each class, (K,), for rows with these class indexes, (N,); None for equal weights.

    ``balanced`` weights make all classes count equally; for ``effective`` see ``effective_weights``.
    """
    if mode == "none":
        return None
    counts = np.bincount(encoded, minlength=classes).clip(min=1)
    weights = len(encoded) / (classes * counts) if mode == "balanced" else effective_weights(counts)
    return torch.tensor(weights, dtype=torch.float32)


def effective_weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return weights (K,) with mean 1 for classes with these row counts, at least 1.

    They are the inverse of the effective number of n rows, (1 - beta^n) / (1 - beta), with beta 0.999.

    Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, sections 3 and 4.
    """
    weights = (1 - _BETA) / (1 - _BETA**counts)
    return np.asarray(weights / weights.mean(), np.float64)
