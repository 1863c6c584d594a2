"""Multimodal adaptation gate: the other modalities shift a main one (main=NAME)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError, unknown_name
from mmcli.fusion import Feature
from mmcli.fusion.learnt._alignment import align
from mmcli.fusion.learnt._tokens import own_steps
from mmcli.fusion.presence import present_mean, require_width

_TINY = 1e-6


class Mag(nn.Module):
    """Shifts each projected step z of the main modality, LayerNorm(z + alpha h), and averages over its steps.

    h = sum over the others present of relu(G_m [z, x_m] + b_m) * (W_m x_m), and alpha = min(beta |z| / |h|, 1), so
    that the shift is at most ``beta`` times as long as z. The other modalities are resampled to the main one's number
    of steps by averaging. If the main modality is absent, one learnt step replaces it; any other absent modality shifts
    nothing. The authors add a bias to h, which is left out so that a row with only the main modality is not shifted.

    Args:
        in_dims: The width of each modality.
        main: The modality to shift, the text in the paper; by default the first in the order of names.
        dim: The width of z and of the result, at least 1.
        beta: Maximum length of the shift relative to z, above 0.

    Source: Rahman et al. 2020, Integrating Multimodal Information in Large Pretrained Transformers, section 4.

    Raises:
        MmcliError: No modality is called ``main``, or a value is out of range.
    """

    kind = "learnt"
    version = 1
    sequences = True

    def __init__(self, in_dims: Mapping[str, int], *, main: str = "", dim: int = 64, beta: float = 1.0) -> None:
        super().__init__()
        require_width("dim", dim)
        if not 0 < beta < float("inf"):
            raise MmcliError(f"fusion method 'mag': beta must be above 0, not {beta}")
        if main and main not in in_dims:
            raise unknown_name("modality", main, sorted(in_dims))
        self.main = main or min(in_dims)
        self.names = sorted(in_dims)
        self.others = [name for name in self.names if name != self.main]
        self.out_dim = dim
        self.beta = beta
        self.project = nn.Linear(in_dims[self.main], dim)
        self.absent = nn.Parameter(torch.randn(dim) * dim**-0.5)
        self.gates = nn.ModuleList(nn.Linear(dim + in_dims[name], dim) for name in self.others)
        self.shifts = nn.ModuleList(nn.Linear(in_dims[name], dim, bias=False) for name in self.others)
        self.norm = nn.LayerNorm(dim)

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim)."""
        steps, own = own_steps(features[self.main], present[self.main])
        there = own.any(dim=1)
        main = torch.where(there[:, None, None], self.project(steps), self.absent)
        own = torch.cat([own[:, :1] | ~there.unsqueeze(1), own[:, 1:]], dim=1)
        shift = torch.zeros_like(main)
        for name, gate, layer in zip(self.others, self.gates, self.shifts, strict=True):
            values, given = own_steps(features[name], present[name])
            values = align(values, given, own)
            opened = gate(torch.cat([main, values], dim=2)).relu()
            shift = shift + opened * layer(values)
        longest = self.beta * main.norm(dim=2, keepdim=True)
        alpha = (longest / (shift.norm(dim=2, keepdim=True) + _TINY)).clamp(max=1)
        return present_mean(self.norm(main + alpha * shift), own)
