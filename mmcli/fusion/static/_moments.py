"""Statistics of train rows in a few passes: means, second moments and the leading directions of wide features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from mmcli.fusion import Batches
from mmcli.fusion.presence import fill_absent, presence_matrix
from mmcli.fusion.static._projection import gaussian

EXACT_COLUMNS = 1024
_LEAST_RANK = 256
_PASSES = 4
_ZERO = 1e-10  # float32 features give about 1e-14 where exact ones would give 0

Rows = Callable[[], Iterator[tuple[list[Tensor], Tensor]]]
"""Each call iterates over the rows: features (B, D) in sorted order, zeros if absent; presence (B, M)."""


class CentredRows:
    """Train rows, each modality centred over the rows where it is present, so that zeros stand for the mean.

    Args:
        train: The rows, on the CPU; read once in the constructor for the means, and once per call.
        in_dims: The width of each modality.
    """

    def __init__(self, train: Batches, in_dims: Mapping[str, int]) -> None:
        self._train = train
        self._names = sorted(in_dims)
        totals = [torch.zeros(in_dims[name], dtype=torch.float64) for name in self._names]
        counts = torch.zeros(len(self._names), dtype=torch.float64)
        for features, present in train():
            for total, value in zip(totals, fill_absent(features, present, self._names), strict=True):
                total += value.sum(dim=0, dtype=torch.float64)
            counts += presence_matrix(present, self._names).sum(dim=0)
        self.means = [total / count.clamp(min=1) for total, count in zip(totals, counts, strict=True)]

    def __call__(self) -> Iterator[tuple[list[Tensor], Tensor]]:
        """Iterate over the rows from the start, in float32."""
        means = {name: mean.float() for name, mean in zip(self._names, self.means, strict=True)}
        for features, present in self._train():
            shifted = {name: features[name].float() - means[name] for name in self._names}
            yield fill_absent(shifted, present, self._names), presence_matrix(present, self._names)


def leading_bases(rows: Rows, widths: list[int], dim: int) -> list[Tensor | None]:
    """Return an orthonormal basis (D, K) of the leading principal directions of each wide modality.

    K is the larger of 256 and twice ``dim``. Modalities of up to 1024 columns get None. No matrix is larger than (D, K)
    and no rows are kept; the rows are read four times.

    Source: Halko, Martinsson and Tropp 2011, Finding Structure with Randomness, algorithm 4.4, on the second moments.
    """
    rank = max(_LEAST_RANK, 2 * dim)
    bases = {
        index: gaussian(f"directions {index}", width, min(rank, width), 0)
        for index, width in enumerate(widths)
        if width > EXACT_COLUMNS
    }
    for _ in range(_PASSES if bases else 0):
        images = {index: torch.zeros(basis.shape, dtype=torch.float64) for index, basis in bases.items()}
        for values, _ in rows():
            for index, basis in bases.items():
                images[index] += values[index].T @ (values[index] @ basis)
        bases = {index: torch.linalg.qr(image)[0].float() for index, image in images.items()}
    return [bases.get(index) for index in range(len(widths))]


def in_basis(values: Tensor, basis: Tensor | None) -> Tensor:
    """Return ``values``, (B, D), in the coordinates of a basis, (B, K); unchanged if there is none."""
    return values if basis is None else values @ basis.to(values.dtype)


def out_of_basis(loadings: Tensor, basis: Tensor | None) -> Tensor:
    """Map loadings of basis coordinates, (K, dim), to loadings of the features, (D, dim)."""
    return loadings if basis is None else basis.to(loadings.dtype) @ loadings


def second_moments(rows: Rows, bases: list[Tensor | None]) -> tuple[Tensor, Tensor]:
    """Return the sums of products of all columns in their bases, and the number of rows that each pair shares.

    Returns:
        (sum of K, sum of K) in float64, and (M, M): the number of rows in which both modalities are present.
    """
    products, counts = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for values, there in rows():
        joined = torch.cat([in_basis(value.double(), basis) for value, basis in zip(values, bases, strict=True)], dim=1)
        products = products + joined.T @ joined
        counts = counts + there.double().T @ there.double()
    return products, counts


def leading_eigenvectors(matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest eigenvalues (count,) of a symmetric matrix and their eigenvectors (D, count).

    Both are zeros past the size of the matrix and for eigenvalues that are zero (up to rounding) or negative.
    """
    size = len(matrix)
    found = min(count, size)
    values, vectors = scipy.linalg.eigh(matrix.numpy(), subset_by_index=(size - found, size - 1))
    padded_values, padded_vectors = np.zeros(count), np.zeros((size, count))
    kept = values[::-1] > _ZERO * float(matrix.abs().max())
    padded_values[:found] = np.where(kept, values[::-1], 0)
    padded_vectors[:, :found] = np.where(kept, vectors[:, ::-1], 0)
    return torch.from_numpy(padded_values), torch.from_numpy(padded_vectors)


def oriented(loadings: Tensor) -> Tensor:
    """Flip the signs of loadings (D, dim) so that the largest of each column is positive."""
    largest = loadings.gather(0, loadings.abs().argmax(dim=0, keepdim=True))
    return torch.where(largest < 0, -loadings, loadings)
