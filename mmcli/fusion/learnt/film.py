"""Feature-wise linear modulation: the other modalities scale and shift each feature of a modality."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion.presence import fill_absent, presence_matrix, present_mean, require_width


class Film(nn.Module):
    """The mean over the modalities present of gamma_m * h_m + beta_m, with h_m = P_m x_m + b_m.

    gamma_m - 1 and beta_m are linear, without bias, in the mean h of the other modalities present: a single modality
    has gamma 1 and beta 0. An absent modality is neither modulated nor modulates others.

    Args:
        in_dims: The width of each modality.
        dim: The width of the result, at least 1.

    Raises:
        MmcliError: ``dim`` is below 1.

    Source: Perez et al. 2018, FiLM: Visual Reasoning with a General Conditioning Layer, section 2, with each
    modality conditioned on the others.
    """

    kind = "learnt"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 128) -> None:
        super().__init__()
        require_width("dim", dim)
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.projections = nn.ModuleList(nn.Linear(in_dims[name], dim) for name in self.names)
        self.generators = nn.ModuleList(nn.Linear(dim, 2 * dim, bias=False) for _ in self.names)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim); zeros if none is present."""
        there = presence_matrix(present, self.names)
        inputs = fill_absent(features, present, self.names)
        tokens = torch.stack([layer(value) for layer, value in zip(self.projections, inputs, strict=True)], dim=1)
        modulated = [
            _modulate(tokens[:, index], generator(_mean_of_others(tokens, there, index)))
            for index, generator in enumerate(self.generators)
        ]
        return present_mean(torch.stack(modulated, dim=1), there)


def _mean_of_others(tokens: Tensor, there: Tensor, index: int) -> Tensor:
    """Return (B, D), the mean of the tokens present except one; zeros if there is no other."""
    others = there.clone()
    others[:, index] = False
    return present_mean(tokens, others)


def _modulate(values: Tensor, generated: Tensor) -> Tensor:
    change, shift = generated.chunk(2, dim=1)
    return (1 + change) * values + shift
