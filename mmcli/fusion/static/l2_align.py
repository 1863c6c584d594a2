"""Shared space that pulls a row's modalities together and keeps their variance (VICReg)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Batches
from mmcli.fusion.presence import presence_matrix
from mmcli.fusion.static._alignment_fit import FitOptions, Projections
from mmcli.fusion.static._shared_space import LEAST_ROWS, mean_of_present, pairs_of

_INVARIANCE, _VARIANCE, _COVARIANCE = 25.0, 25.0, 1.0
_EPSILON = 1e-4


class L2Align(nn.Module):
    """Projections trained for small squared distances between a row's modalities while keeping variance (VICReg).

    The loss is 25 times the mean squared difference over the pairs present, plus the mean over modalities of two terms:
    25 times the columns' mean hinge loss max(0, 1 - standard deviation), and the sum of squared covariances between
    columns, divided by ``dim``. Train rows with two or more modalities are held in memory. A single modality keeps its
    random initial projection.
    An absent modality is left out of the result, which is the mean of the projections of those present.

    Args:
        in_dims: The width of each modality.
        dim: The width of the shared space, at least 1.
        hidden: The width of a hidden layer; 0 for none.
        epochs: Maximum number of epochs, at least 1; training stops earlier if held-out rows do not improve.
        lr: The learning rate, above 0.
        batch: Rows per step, over which variances are computed, at least 2.
        seed: Seed of weights, held-out rows and the order of rows.

    Raises:
        MmcliError: An option is out of range.

    Source: Bardes, Ponce and LeCun 2022 (VICReg), section 4.1, with its weights; as in the authors' code, distances are
    divided by ``dim`` and variances averaged over modalities; covariances, which they sum, are averaged as well.
    """

    kind = "static"
    version = 1
    fitted = True

    def __init__(
        self,
        in_dims: Mapping[str, int],
        *,
        dim: int = 64,
        hidden: int = 0,
        epochs: int = 200,
        lr: float = 3e-3,
        batch: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = dim
        self.projections = Projections("l2_align", in_dims, dim, hidden, FitOptions(epochs, lr, batch, seed))

    def fit(self, train: Batches) -> None:
        """Learn the projections from the train rows.

        Raises:
            MmcliError: No two modalities are present together in two rows.
        """
        self.projections.fit(train, vicreg, [])

    def embed(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, dim), each modality in the shared space; zeros if it is absent."""
        embedded: Tensor = self.projections(features, present)
        return embedded

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim), the mean over the modalities present; zeros if none is."""
        return mean_of_present(self.embed(features, present), presence_matrix(present, self.names))


def vicreg(embedded: Tensor, there: Tensor) -> Tensor:
    """Return the loss of embeddings (B, M, dim) and presence (B, M).

    Distances are averaged over all pairs of all rows; variance and covariance terms over the modalities present in at
    least two rows.
    """
    pairs = [
        (embedded[:, m] - embedded[:, n])[there[:, m] & there[:, n]].square().mean(dim=1)
        for m, n in pairs_of(embedded.shape[1])
    ]
    distances = torch.cat([embedded.new_zeros(0), *pairs])
    spreads = [
        _spread(embedded[there[:, m], m]) for m in range(embedded.shape[1]) if int(there[:, m].sum()) >= LEAST_ROWS
    ]
    distance = distances.sum() / max(len(distances), 1)
    spread = torch.stack([embedded.sum() * 0, *spreads]).sum() / max(len(spreads), 1)
    return _INVARIANCE * distance + spread


def _spread(values: Tensor) -> Tensor:
    """Return the weighted variance and covariance terms of one modality's embeddings (B, dim)."""
    centred = values - values.mean(dim=0)
    covariance = centred.T @ centred / (len(values) - 1)
    deviations = (covariance.diagonal() + _EPSILON).sqrt()
    apart = covariance.square().sum() - covariance.diagonal().square().sum()
    return (_VARIANCE * (1 - deviations).relu().sum() + _COVARIANCE * apart) / values.shape[1]
