"""What stands between the fused vector and a task's outputs."""

from __future__ import annotations

from torch import Tensor, nn

from mmcli.errors import MmcliError


class MlpHead(nn.Module):
    """Hidden layers with ReLU and dropout, then a linear layer.

    Args:
        in_dim: The width of the fused vector.
        out_dim: The number of outputs K.
        hidden: The width of each hidden layer; () gives a linear head.
        dropout: The share of each hidden layer's outputs dropped in training, from 0 to 1.

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
