"""Canonical correlation analysis: projections in which the modalities correlate most."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.fusion import Batches
from mmcli.fusion.presence import fill_absent, presence_matrix, require_width
from mmcli.fusion.static._moments import (
    CentredRows,
    leading_bases,
    leading_eigenvectors,
    oriented,
    out_of_basis,
    second_moments,
)
from mmcli.fusion.static._projection import project
from mmcli.fusion.static._shared_space import mean_of_present, pairs_of, require_shared_rows


class Cca(nn.Module):
    """Regularised generalised canonical correlation analysis (MAXVAR) of any number of modalities.

    With C_mn the covariance of two modalities and R_m = C_mm + ``regularization`` * mean(diagonal of C_mm) * I, the
    columns solve sum over n != m of C_mn w_n = (M - 1) rho R_m w_m for the largest rho. With two modalities, rho are
    the canonical correlations, equal to those of SciPy and scikit-learn if the regularisation is tiny; with more, they
    are the means of the pairwise correlations, weighted by each modality's contribution. A single modality gives its
    whitened principal components.

    Means and C_mm come from the train rows in which a modality is present, C_mn from those in which both are. The
    joint matrix need not be positive definite; only R_m must be, and is. Correlations are clipped at 1.
    A modality with more than 1024 columns is first reduced to its 256 or twice ``dim`` leading principal directions by
    a randomised method. Columns past the last correlated direction are zeros.
    An absent modality is left out of the result, which is the mean of the projections of those present.

    Args:
        in_dims: The width of each modality.
        dim: The width of the shared space, at least 1 and at most the columns of all modalities but the widest.
        regularization: Added to each modality's variances, as a share of their mean; above 0.
        power: Columns, of variance 1, are multiplied by their correlation to this power, at least 0.

    Raises:
        MmcliError: An option is out of range.

    Source: Kettenring 1971, Canonical Analysis of Several Sets of Variables, section 4 (MAXVAR); for two modalities
    Hotelling 1936; the regularisation as in Vinod 1976 and Tenenhaus and Tenenhaus 2011 (RGCCA), section 2; ``power``
    as in Gong et al. 2014, A Multi-View Embedding Space, section 3.3.
    """

    kind = "static"
    version = 1
    fitted = True

    correlations: Tensor

    def __init__(
        self, in_dims: Mapping[str, int], *, dim: int = 32, regularization: float = 0.1, power: float = 1.0
    ) -> None:
        super().__init__()
        require_width("dim", dim)
        if not 0 < regularization < float("inf"):
            raise MmcliError(f"fusion: regularization must be above 0, not {regularization}")
        if not 0 <= power < float("inf"):
            raise MmcliError(f"fusion: power must be at least 0, not {power}")
        self.in_dims = dict(in_dims)
        self.names = sorted(in_dims)
        self.regularization = regularization
        self.power = power
        widths = sorted(in_dims.values())
        self.out_dim = min(dim, sum(widths[:-1]) or widths[0])
        self.register_buffer("correlations", torch.zeros(self.out_dim))
        for index, name in enumerate(self.names):
            self.register_buffer(f"mean_{index}", torch.zeros(in_dims[name]))
            self.register_buffer(f"matrix_{index}", torch.zeros(in_dims[name], self.out_dim))

    def fit(self, train: Batches) -> None:
        """Learn the projections from the train rows.

        Raises:
            MmcliError: No two modalities are present together in two rows.
        """
        rows = CentredRows(train, self.in_dims)
        bases = leading_bases(rows, [self.in_dims[name] for name in self.names], self.out_dim)
        products, counts = second_moments(rows, bases)
        require_shared_rows("cca", counts)
        widths = [len(mean) if basis is None else basis.shape[1] for mean, basis in zip(rows.means, bases, strict=True)]
        blocks = [list(torch.split(part, widths, dim=1)) for part in torch.split(products, widths)]
        covariances = [
            [block / count.clamp(min=1) for block, count in zip(row, shared, strict=True)]
            for row, shared in zip(blocks, counts, strict=True)
        ]
        correlations, loadings = canonical_loadings(covariances, self.regularization, self.out_dim)
        loadings = [out_of_basis(loading, basis) for loading, basis in zip(loadings, bases, strict=True)]
        self.correlations.copy_(correlations)
        signed = torch.split(oriented(torch.cat(loadings)), [len(loading) for loading in loadings])
        for index, (mean, matrix) in enumerate(zip(rows.means, signed, strict=True)):
            self.get_buffer(f"mean_{index}").copy_(mean)
            self.get_buffer(f"matrix_{index}").copy_(matrix)

    def embed(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, dim), each modality in the shared space; zeros if it is absent."""
        shifted = {name: features[name] - self.get_buffer(f"mean_{index}") for index, name in enumerate(self.names)}
        values = fill_absent(shifted, present, self.names)
        parts = [project(value, self.get_buffer(f"matrix_{index}")) for index, value in enumerate(values)]
        return torch.stack(parts, dim=1) * self.correlations**self.power

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim), the mean over the modalities present; zeros if none is."""
        return mean_of_present(self.embed(features, present), presence_matrix(present, self.names))


def canonical_loadings(covariances: list[list[Tensor]], regularization: float, dim: int) -> tuple[Tensor, list[Tensor]]:
    """Return the correlations (dim,), largest first, and the loadings (D, dim) of each modality.

    Args:
        covariances: (D_m, D_n) for each pair of modalities m and n, in float64.
        regularization: As for ``Cca``.
        dim: The number of columns; those past the last correlated direction are zeros.
    """
    whitening = [_whitening(row[index], regularization) for index, row in enumerate(covariances)]
    if len(whitening) == 1:
        (matrix,) = whitening
        there = matrix[:, :dim].abs().sum(dim=0) > 0
        padding = (0, dim - len(there))
        return nn.functional.pad(there.double(), padding), [nn.functional.pad(matrix[:, :dim], padding)]
    widths = [matrix.shape[1] for matrix in whitening]
    starts = [sum(widths[:index]) for index in range(len(widths))]
    agreement = torch.zeros(sum(widths), sum(widths), dtype=torch.float64)
    for m, n in pairs_of(len(widths)):
        block = whitening[m].T @ covariances[m][n] @ whitening[n]
        here, other = slice(starts[m], starts[m] + widths[m]), slice(starts[n], starts[n] + widths[n])
        agreement[here, other], agreement[other, here] = block, block.T
    values, vectors = leading_eigenvectors(agreement, dim)
    scaled = vectors * len(widths) ** 0.5  # each of two modalities has half of a vector's square, hence variance 1
    parts = torch.split(scaled, widths)
    correlations = (values / (len(widths) - 1)).clamp(max=1)
    return correlations, [matrix @ part for matrix, part in zip(whitening, parts, strict=True)]


def _whitening(covariance: Tensor, regularization: float) -> Tensor:
    """Return (D, D): the principal directions, leading first, whitened with regularisation; zeros if all is 0."""
    values, vectors = leading_eigenvectors(covariance, len(covariance))
    added = regularization * values.mean()
    return vectors * torch.where(values > 0, values + added, 1).rsqrt()
