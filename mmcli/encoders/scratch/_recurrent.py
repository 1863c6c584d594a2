"""Shared by recurrent encoders: bidirectional layers over rows of varying length."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcli.models.sequence import inside, pool_steps

POOLS = ("mean", "max", "last", "none")


class BothDirections(nn.Module):
    """Recurrent layers, each with a forward and a backward direction.

    All rows of a batch take every step; padding is read last and discarded. With packed sequences, where rows leave
    the batch as they end, the last bits of a row would depend on the other rows.

    Args:
        kind: LSTM or GRU.
        in_dim: Width of a step.
        dim: Width of a state, both directions together.
        layers: Number of stacked layers.
        dropout: Dropout probability of each layer's outputs but the last's.

    Source: Schuster and Paliwal 1997, Bidirectional Recurrent Neural Networks.
    """

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], in_dim: int, dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [in_dim, *(dim,) * (layers - 1)]
        self.forwards = nn.ModuleList(kind(width, dim // 2, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(kind(width, dim // 2, batch_first=True) for width in widths)
        self.drop = nn.Dropout(dropout)

    def forward(self, values: Tensor, lengths: Tensor, pool: str) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of sequences; an empty row gives zeros.

        Args:
            values: Steps (B, T, D).
            lengths: Number of steps of each row, (B,).
            pool: ``mean`` or ``max`` over the states, or ``last``, the final state of each direction, gives
                (B, D'); ``none`` gives every step's state, (B, T, D'), with the lengths.
        """
        places = torch.arange(values.shape[1], device=values.device).expand(len(values), -1)
        own = inside(lengths, values.shape[1])
        mirrored = torch.where(own, lengths.unsqueeze(1) - 1 - places, places)
        for number, (forwards, backwards) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            values = self.drop(values) if number else values
            back = _reorder(backwards(_reorder(values, mirrored))[0], mirrored)
            values = torch.cat([forwards(values)[0], back], dim=2)
        if pool == "none":
            return values * own.unsqueeze(2), lengths
        if pool == "last":
            rows = torch.arange(len(values), device=values.device)
            ahead, back = values[rows, (lengths - 1).clamp(min=0)], values[:, 0]
            half = values.shape[2] // 2
            return torch.cat([ahead[:, :half], back[:, half:]], dim=1) * (lengths > 0).unsqueeze(1)
        return pool_steps(values, lengths, pool)


def _reorder(values: Tensor, places: Tensor) -> Tensor:
    """Reorder the steps of (B, T, D): step t of a row is the one at ``places`` (B, T)."""
    return values.gather(1, places.unsqueeze(2).expand(-1, -1, values.shape[2]))
