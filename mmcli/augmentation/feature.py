"""Random changes of numbers: ready features, tensors and tables."""

from __future__ import annotations

import torch
from torch import Tensor

Inputs = tuple[Tensor, ...]
_MOST_NOISE = 0.4


def noise(inputs: Inputs, strength: float) -> Inputs:
    """Add Gaussian noise of up to 40% of each feature's standard deviation over the batch.

    Args:
        inputs: Features (B, ...), or sequences (B, T, ...) with their lengths (B,).
        strength: From 0 to 1.
    """
    values, *lengths = inputs
    if lengths:
        own = torch.arange(values.shape[1], device=values.device) < lengths[0].unsqueeze(1)
    else:
        own = torch.ones(len(values), dtype=torch.bool, device=values.device)
    if not bool(own.any()):
        return inputs
    deviation = values[own].float().std(dim=0, unbiased=False)
    added = torch.randn(values.shape, device=values.device) * deviation * (_MOST_NOISE * strength)
    own = own.view(*own.shape, *(1,) * (values.dim() - own.dim()))
    return (torch.where(own, values + added, values).to(values.dtype), *lengths)


def table_noise(inputs: Inputs, strength: float) -> Inputs:
    """Add Gaussian noise of up to 0.4 standard deviations to the numbers that are not missing.

    Args:
        inputs: Numbers followed by their missing flags (B, 2 N), and category ids, which are unchanged.
        strength: From 0 to 1.
    """
    numbers, *categories = inputs
    values, missing = numbers.chunk(2, dim=1)
    added = torch.randn(values.shape, device=values.device).to(values.dtype) * (_MOST_NOISE * strength)
    return (torch.cat([values + added * (1 - missing), missing], dim=1), *categories)


OPERATIONS = {"noise": noise}
TABLE_OPERATIONS = {"noise": table_noise}
