"""What recurrent encoders share: runs in both directions over rows of differing length."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcli.models.sequence import inside, pool_steps

POOLS = ("mean", "max", "last", "none")


class BothDirections(nn.Module):
    """Layers of recurrent networks, one that reads each row forwards beside one that reads it backwards.

    All rows of a batch take every step, what lies behind a row's end being read last and left out: a packed run,
    where rows leave the batch as they end, gives a row other last bits beside other rows.

    Args:
        kind: LSTM or GRU.
        in_dim: The width of a step.
        dim: The width of a state, both directions together.
        layers: How many, one on the other.
        dropout: The share of each layer's outputs but the last's dropped in training.

    Source: Schuster and Paliwal 1997, Bidirectional Recurrent Neural Networks.
    """

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], in_dim: int, dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [in_dim, *(dim,) * (layers - 1)]
        self.forwards = nn.ModuleList(kind(width, dim // 2, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(kind(width, dim // 2, batch_first=True) for width in widths)
        self.drop = nn.Dropout(dropout)

    def forward(self, values: Tensor, lengths: Tensor, pool: str) -> Tensor | tuple[Tensor, Tensor]:
        """Return features of (B, T, D) with their lengths (B,); a row of none gives zeros.

        Args:
            values: The steps.
            lengths: How many are a row's own.
            pool: ``mean`` or ``max`` over the steps' states, ``last``, the state after the last step of each
                direction, (B, D'), or ``none``, every step's, (B, T, D'), with the lengths.
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
    """Return (B, T, D) whose step t of a row is that at ``places`` (B, T)."""
    return values.gather(1, places.unsqueeze(2).expand(-1, -1, values.shape[2]))
