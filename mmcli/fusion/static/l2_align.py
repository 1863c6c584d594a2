"""A shared space in which the modalities of a row lie close, while its columns keep their variance."""

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
    """Projections trained for small squared distances between a row's modalities, with variance kept (VICReg).

    The loss is 25 times the mean squared difference over the pairs present, plus the mean over modalities of 25 times
    what its columns' standard deviations fall short of 1 by on average, plus the sum of the squared covariances
    between its columns, divided by ``dim``. Train rows with two modalities or more are held in memory. Where there is
    one modality alone, its projection stays the random one it starts from.
    An absent modality is left out of the result, the mean of the projections of those present.

    Args:
        in_dims: The width of each modality.
        dim: The width of the shared space, at least 1.
        hidden: The width of a hidden layer before it; 0 for none.
        epochs: Passes over the train rows at most, at least 1; it ends before where held-out rows gain nothing.
        lr: The learning rate, above 0.
        batch: Rows in a step, over which variances are taken, at least 2.
        seed: What weights, held-out rows and the order of rows are drawn from.

    Raises:
        MmcliError: An option is out of its range.

    Source: Bardes, Ponce and LeCun 2022 (VICReg), section 4.1, with its weights; distances divided by ``dim``
    and variances averaged over modalities as in the authors' code; so are covariances here, which they add up.
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
        """Return (B, M, dim), each modality in the shared space; zeros where it is absent."""
        embedded: Tensor = self.projections(features, present)
        return embedded

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim), the mean over the modalities present; zeros where none is."""
        return mean_of_present(self.embed(features, present), presence_matrix(present, self.names))


def vicreg(embedded: Tensor, there: Tensor) -> Tensor:
    """Return the loss of embeddings (B, M, dim) and presence (B, M).

    Distances are averaged over all pairs of all rows; the terms of variance and covariance over the modalities that
    two rows or more have.
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
    """Return the weighed terms of variance and covariance of one modality's embeddings (B, dim)."""
    centred = values - values.mean(dim=0)
    covariance = centred.T @ centred / (len(values) - 1)
    deviations = (covariance.diagonal() + _EPSILON).sqrt()
    apart = covariance.square().sum() - covariance.diagonal().square().sum()
    return (_VARIANCE * (1 - deviations).relu().sum() + _COVARIANCE * apart) / values.shape[1]
