"""Shared by methods that map each modality to a shared space."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from mmcli.errors import MmcliError

LEAST_ROWS = 2


def mean_of_present(embedded: Tensor, there: Tensor) -> Tensor:
    """Return (B, dim), the mean over the modalities present of (B, M, dim), which is zeros if absent.

    They are summed one by one, so that a row's last bits do not depend on the other rows.
    """
    first, *others = embedded.unbind(dim=1)
    total: Tensor = first
    for other in others:
        total = total + other
    return total / there.sum(dim=1, keepdim=True).clamp(min=1)


def pairs_of(modalities: int) -> list[tuple[int, int]]:
    """Return the pairs of modalities, by index in sorted order."""
    return list(combinations(range(modalities), 2))


def require_shared_rows(method: str, counts: Tensor) -> None:
    """Require train rows in which modalities occur together.

    Args:
        method: The fusion method.
        counts: (M, M), the number of train rows in which both modalities are present.

    Raises:
        MmcliError: There are several modalities, but no two of them are present together in two rows.
    """
    apart = counts - torch.diag(counts.diagonal())
    if len(counts) > 1 and int(apart.max()) < LEAST_ROWS:
        raise MmcliError(
            f"fusion method {method!r} learns from train rows with two modalities, but found only "
            f"{int(apart.max())}: add such rows, or use a method such as concat"
        )
