"""Shared by late methods: predictions of several heads, mixed by weights that sum to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from mmcli.errors import MmcliError
from mmcli.fusion import Link
from mmcli.fusion.presence import fill_absent


def stack_outputs(features: Mapping[str, Tensor], present: Mapping[str, Tensor], names: list[str]) -> Tensor:
    """Return (B, M, K), the outputs of each modality's head; zeros if it is absent."""
    return torch.stack(fill_absent(features, present, names), dim=1)


def mix(outputs: Tensor, weights: Tensor, link: Link) -> Tensor:
    """Return the outputs (B, K) whose prediction is the weighted mean of the modalities' predictions.

    Computed in log space, so that no probability becomes 0.

    Args:
        outputs: The outputs of each modality's head, (B, M, K).
        weights: (B, M), each row summing to 1, or all zeros, which gives zero outputs.
        link: How outputs become predictions.
    """
    if link == "identity":
        return (weights.unsqueeze(2) * outputs).sum(dim=1)
    counts = weights > 0
    logs = torch.where(counts, weights, 1.0).log().masked_fill(~counts, torch.finfo(weights.dtype).min / 4)
    if link == "softmax":
        mixed = _log_mean(outputs.log_softmax(dim=2), logs)
    else:
        mixed = _log_mean(logsigmoid(outputs), logs) - _log_mean(logsigmoid(-outputs), logs)
    return torch.where(counts.any(dim=1, keepdim=True), mixed, 0.0)


def _log_mean(log_probabilities: Tensor, log_weights: Tensor) -> Tensor:
    return (log_probabilities + log_weights.unsqueeze(2)).logsumexp(dim=1)


def require_ridge(method: str, value: float) -> None:
    """Require a penalty weight above 0.

    Raises:
        MmcliError: It is not above 0.
    """
    if not 0 < value < math.inf:
        raise MmcliError(f"fusion method {method!r}: ridge must be above 0, not {value}")
