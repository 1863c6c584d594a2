"""Fixed random projections of modalities of different widths to one width."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from mmcli.fusion.presence import fill_absent, require_width

BLOCK_ROWS = 32
BLOCK_COLUMNS = 16


class EqualWidths(nn.Module):
    """Keeps modalities of equal width unchanged; otherwise projects them to ``dim`` columns by Gaussian matrices.

    Distances are preserved up to an error that shrinks with the square root of ``dim``. A modality's matrix depends
    only on its name, its width and ``seed``, not on the other modalities.

    Raises:
        MmcliError: ``dim`` is below 1.

    Source: Johnson and Lindenstrauss 1984; the Gaussian form as in Dasgupta and Gupta 2003.
    """

    def __init__(self, in_dims: Mapping[str, int], dim: int, seed: int) -> None:
        super().__init__()
        require_width("dim", dim)
        self.names = sorted(in_dims)
        widths = set(in_dims.values())
        self.projects = len(widths) > 1
        self.out_dim = dim if self.projects else widths.pop()
        if self.projects:
            for index, name in enumerate(self.names):
                self.register_buffer(f"matrix_{index}", gaussian(name, in_dims[name], dim, seed))

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> list[Tensor]:
        """Return (B, out_dim) for each modality in sorted order; zeros if it is absent."""
        values = fill_absent(features, present, self.names)
        if not self.projects:
            return values
        return [project(value, self.get_buffer(f"matrix_{index}")) for index, value in enumerate(values)]


def gaussian(name: str, width: int, dim: int, seed: int) -> Tensor:
    """Return a Gaussian matrix (width, dim) that depends only on the arguments, with rows of norm 1 on average."""
    entropy = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "big")
    drawn = np.random.default_rng(entropy).standard_normal((width, dim), dtype=np.float32)
    return torch.from_numpy(drawn / np.float32(np.sqrt(dim)))


def project(values: Tensor, matrix: Tensor) -> Tensor:
    """Return ``values @ matrix``, (B, dim); each row is independent of the others to the last bit."""
    # If the number of columns is not a multiple of the kernels' block, a row's last bits depend on its position.
    dim = matrix.shape[1]
    wide = nn.functional.pad(matrix.to(values.dtype), (0, -dim % BLOCK_COLUMNS))
    return in_blocks(values, lambda block: block @ wide)[:, :dim].contiguous()


def in_blocks(values: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply ``compute`` to the rows of ``values``, (B, D), in blocks of one shape.

    A product's last bits depend on the number of rows; blocks of one shape make a row's result independent of others.
    """
    rows = len(values)
    padded = nn.functional.pad(values, (0, 0, 0, -rows % BLOCK_ROWS))
    return torch.cat([compute(block) for block in torch.split(padded, BLOCK_ROWS)])[:rows]
