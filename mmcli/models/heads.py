"""Heads: from the fused vector to a task's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmcli.errors import MmcliError


class SeveralHeads(nn.Module):
    """A head for each of several targets, their outputs side by side.

    Args:
        heads: The heads by target, in the order of the outputs.
        split: Maps targets (N, E) to each head's rows with a target and their encoded targets; for heads that are
            fitted to all rows at once.
    """

    def __init__(
        self,
        heads: Sequence[nn.Module],
        split: Callable[[NDArray[Any]], Mapping[str, tuple[NDArray[np.intp], NDArray[Any]]]] | None = None,
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self._split = split

    def fit(self, fused: NDArray[Any], encoded: NDArray[Any], weight: NDArray[Any] | None = None) -> str | None:
        """Fit each head to its rows; see ``EstimatorHead.fit``.

        Args:
            fused: (N, D).
            encoded: (N, E).
            weight: Weights of all heads' outputs, (K,), NaN for a head without weights.
        """
        assert self._split is not None
        told, stop = [], 0
        for module, (name, (rows, own)) in zip(self.heads, self._split(encoded).items(), strict=True):
            head: Any = module
            start, stop = stop, stop + head.out_dim
            weights = None if weight is None or np.isnan(weight[start:stop]).any() else weight[start:stop]
            said = head.fit(fused[rows], own, weights)
            told += [f"{name}: {said}"] if said else []
        return "; ".join(told) or None

    def forward(self, fused: Tensor) -> Tensor:
        """Return (B, K), the outputs of all heads, from (B, D)."""
        return torch.cat([head(fused) for head in self.heads], dim=1)


class MlpHead(nn.Module):
    """Hidden layers with ReLU and dropout, then a linear layer.

    Args:
        in_dim: The width of the fused vector.
        out_dim: The number of outputs K.
        hidden: The width of each hidden layer; () gives a linear head.
        dropout: Dropout probability of each hidden layer's outputs.

    Raises:
        MmcliError: A width is below 1.
    """

    def __init__(self, in_dim: int, out_dim: int, *, hidden: tuple[int, ...] = (256,), dropout: float = 0.5) -> None:
        super().__init__()
        if min(in_dim, out_dim, *hidden) < 1:
            raise MmcliError(f"a head needs widths of at least 1, not {[in_dim, *hidden, out_dim]}")
        layers: list[nn.Module] = []
        for before, after in zip((in_dim, *hidden), hidden, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear((in_dim, *hidden)[-1], out_dim))

    def forward(self, fused: Tensor) -> Tensor:
        """Return (B, K) from (B, D)."""
        outputs: Tensor = self.layers(fused)
        return outputs

    def hidden(self, fused: Tensor) -> Tensor:
        """Return the input of the last layer, (B, H), from (B, D)."""
        last: Tensor = self.layers[:-1](fused)
        return last
