"""What methods have in common that bring each modality to one space."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from mmcli.errors import MmcliError

LEAST_ROWS = 2


def mean_of_present(embedded: Tensor, there: Tensor) -> Tensor:
    """Return (B, dim), the mean over the modalities present of (B, M, dim), zeros where absent.

    They are added one after the other, so that a row's last bits do not depend on the other rows.
    """
    first, *others = embedded.unbind(dim=1)
    total: Tensor = first
    for other in others:
        total = total + other
    return total / there.sum(dim=1, keepdim=True).clamp(min=1)


def pairs_of(modalities: int) -> list[tuple[int, int]]:
    """Return the pairs of modalities, by their places in sorted order."""
    return list(combinations(range(modalities), 2))


def require_shared_rows(method: str, counts: Tensor) -> None:
    """Refuse train rows that say nothing of how modalities belong together.

    Args:
        method: The fusion method.
        counts: (M, M), the train rows in which both modalities are present.

    Raises:
        MmcliError: There are several modalities, and no two of them are present together in two rows.
    """
    apart = counts - torch.diag(counts.diagonal())
    if len(counts) > 1 and int(apart.max()) < LEAST_ROWS:
        raise MmcliError(
            f"fusion method {method!r} learns from train rows that have two modalities, and found "
            f"{int(apart.max())} of them: give it more such rows, or take a method such as concat"
        )
