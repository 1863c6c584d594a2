"""Mixes pairs of rows and their targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_MOST_ALPHA = 0.4


@dataclass(frozen=True)
class Mixup:
    """The partner of each row, and the share of itself that it keeps, from 0.5 to 1."""

    partner: Tensor
    share: float

    def mix(self, values: Tensor) -> Tensor:
        """Return rows mixed with their partners, in the dtype of ``values``."""
        mixed = self.share * values.float() + (1 - self.share) * values[self.partner].float()
        return mixed.to(values.dtype) if values.is_floating_point() else mixed.round().to(values.dtype)

    def loss(self, loss: Callable[[Tensor], Tensor], targets: Tensor) -> Tensor:
        """Return the loss of mixed rows: that of their own and of their partners' targets, weighted by shares.

        Args:
            loss: Maps targets, B first, to the loss of the outputs for them.
            targets: The targets of the unmixed rows.
        """
        return self.share * loss(targets) + (1 - self.share) * loss(targets[self.partner])


def draw_mixup(rows: int, strength: float, device: torch.device | str = "cpu") -> Mixup:
    """Draw partners and a share with torch's random generator of the device.

    Args:
        rows: Batch size B.
        strength: From 0, no mixing, to 1.
        device: Device of the batch.

    Source: Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization, section 2; a strength of 0.5 is its alpha of
    0.2 for ImageNet.
    """
    partner = torch.randperm(rows, device=device)
    if strength == 0:
        return Mixup(partner, 1.0)
    alpha = torch.tensor(_MOST_ALPHA * strength, device=device)
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    return Mixup(partner, max(share, 1 - share))
