"""A head for each modality and the combination of their outputs, in place of a fusion and one head."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mmcli.models.abilities import weigher


class LateHeads(nn.Module):
    """Outputs (B, K) combined from one head per modality; passed to ``Network`` as its fusion.

    Args:
        in_dims: The width of each modality.
        out_dim: The outputs K of each head and of the combination.
        head: Builds a head from the width of its modality.
        combination: Builds a late fusion from K for each modality.
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
        """Return (B, M, K), the outputs of each modality's head; meaningless where the modality is absent."""
        return torch.stack(list(self._by_name(features).values()), dim=1)

    @property
    def modality_weights(self) -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor] | None:
        """The function that returns each modality's weight, (B, M); None if the combination has none."""
        weigh = weigher(self.combination)
        return None if weigh is None else lambda features, present: weigh(self._by_name(features), present)

    def _by_name(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: head(features[name]) for name, head in zip(self.names, self.heads, strict=True)}
