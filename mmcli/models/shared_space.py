"""Embeddings of each modality in the shared space of a fitted fusion, instead of one vector per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mmcli.models.abilities import HoldsMethod


class SharedSpace(nn.Module, HoldsMethod):
    """Embeddings (B, M, D) of norm 1, one per source modality; passed to ``Network`` as its fusion.

    Several features of one source are averaged to one embedding.

    Args:
        in_dims: The width of each feature.
        method: Builds a fitted fusion with ``embed`` from these widths.
        source_of: The source modality of each feature.
    """

    def __init__(
        self,
        in_dims: Mapping[str, int],
        *,
        method: Callable[[dict[str, int]], nn.Module],
        source_of: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.method = method(dict(in_dims))
        self.out_dim = self.method.out_dim
        sources = [source_of[name] for name in self.names]
        self.places = [[n for n, own in enumerate(sources) if own == source] for source in sorted(set(sources))]

    def embed(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, D), sources in the order of their names; NaN for a source without features."""
        found = nn.functional.normalize(self.method.embed(features, present), dim=2)  # type: ignore[operator]
        there = torch.stack([present[name] for name in self.names], dim=1)
        parts = []
        for places in self.places:
            total = found[:, places[0]]
            for place in places[1:]:
                total = total + found[:, place]
            known = there[:, places].any(dim=1, keepdim=True)
            parts.append(torch.where(known, nn.functional.normalize(total, dim=1), torch.nan))
        return torch.stack(parts, dim=1)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return the result of ``embed``."""
        return self.embed(features, present)


class LabelHead(nn.Module):
    """Outputs (B, K) from embeddings (B, M, D): a row's similarity to the names of K labels.

    Logits are the cosine, averaged over the row's modalities, times a scale. A row without any of these modalities gets
    zeros.

    Args:
        labels: The names' embeddings, (K, D) of norm 1.
        places: Indexes of the modalities to use.
        scale: Inverse temperature.

    Source: Radford et al. 2021 (CLIP), section 3.1.2.
    """

    def __init__(self, labels: Tensor, places: list[int], scale: float) -> None:
        super().__init__()
        self.labels = labels
        self.places = places
        self.scale = scale

    def forward(self, embedded: Tensor) -> Tensor:
        """Return (B, K)."""
        own = embedded[:, self.places]
        there = ~own.isnan().any(dim=2, keepdim=True)
        cosines = torch.where(there, own, 0.0) @ self.labels.T
        return self.scale * cosines.sum(dim=1) / there.sum(dim=1).clamp(min=1)
