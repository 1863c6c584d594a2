"""A head for each modality and what combines their outputs, where another network has its fusion and its head."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mmcli.models.abilities import weigher


class LateHeads(nn.Module):
    """Outputs (B, K) from those of a head for each modality; handed to ``Network`` as its fusion.

    Args:
        in_dims: The width of each modality.
        out_dim: The outputs K of each head and of all together.
        head: Makes a head from the width of its modality.
        combination: Makes a late fusion from K for each modality.
    """

    def __init__(
        self,
        in_dims: Mapping[str, int],
        out_dim: int,
        *,
        head: Callable[[int], nn.Module],
        combination: Callable[[dict[str, int]], nn.Module],
    ) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = out_dim
        self.heads = nn.ModuleList(head(in_dims[name]) for name in self.names)
        self.combination = combination(dict.fromkeys(self.names, out_dim))

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, K) from vectors (B, D)."""
        combined: Tensor = self.combination(self._by_name(features), present)
        return combined

    def each(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, K), what each head makes of its own modality; where that is absent it means nothing."""
        return torch.stack(list(self._by_name(features).values()), dim=1)

    @property
    def modality_weights(self) -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor] | None:
        """What returns the weight of each modality, (B, M), as of other fusions; None if the combination has none."""
        weigh = weigher(self.combination)
        return None if weigh is None else lambda features, present: weigh(self._by_name(features), present)

    def _by_name(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: head(features[name]) for name, head in zip(self.names, self.heads, strict=True)}
