"""Principal components of the concatenated features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Batches
from mmcli.fusion.presence import fill_absent, require_width
from mmcli.fusion.static._moments import (
    CentredRows,
    leading_bases,
    leading_eigenvectors,
    oriented,
    out_of_basis,
    second_moments,
)
from mmcli.fusion.static._projection import project


class Pca(nn.Module):
    """The leading principal components of the concatenated features.

    An absent modality is replaced by its mean over the train rows that have it. Components are exact up to 1024 columns
    in total; beyond that, a randomised method finds them in a few passes over the rows. If the train rows have fewer
    directions than ``dim``, the remaining columns are zeros.

    Args:
        in_dims: The width of each modality.
        dim: The number of components, from 1 to the number of columns.

    Raises:
        MmcliError: ``dim`` is below 1.

    Source: Jolliffe 2002, Principal Component Analysis, chapter 3.
    """

    kind = "static"
    version = 1
    fitted = True

    mean: Tensor
    matrix: Tensor

    def __init__(self, in_dims: Mapping[str, int], *, dim: int = 64) -> None:
        super().__init__()
        require_width("dim", dim)
        self.in_dims = dict(in_dims)
        self.names = sorted(in_dims)
        columns = sum(in_dims.values())
        self.out_dim = min(dim, columns)
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("matrix", torch.zeros(columns, self.out_dim))

    def fit(self, train: Batches) -> None:
        """Learn the means and components of the train rows."""
        centred = CentredRows(train, self.in_dims)

        def rows() -> Iterator[tuple[list[Tensor], Tensor]]:
            return (([torch.cat(values, dim=1)], there.any(dim=1, keepdim=True)) for values, there in centred())

        bases = leading_bases(rows, [len(self.mean)], self.out_dim)
        _, components = leading_eigenvectors(second_moments(rows, bases)[0], self.out_dim)
        self.mean.copy_(torch.cat(centred.means))
        self.matrix.copy_(oriented(out_of_basis(components, bases[0])))

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim); zeros if none is present."""
        means = torch.split(self.mean, [self.in_dims[name] for name in self.names])
        shifted = {name: features[name] - mean for name, mean in zip(self.names, means, strict=True)}
        return project(torch.cat(fill_absent(shifted, present, self.names), dim=1), self.matrix)
