"""Shared space in which a row's modalities are closer to each other than to those of other rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.fusion import Batches
from mmcli.fusion.presence import presence_matrix
from mmcli.fusion.static._alignment_fit import FitOptions, Projections
from mmcli.fusion.static._shared_space import LEAST_ROWS, mean_of_present, pairs_of

_FIRST_SCALE = math.log(1 / 0.07)
_LARGEST_SCALE = math.log(100)


class Contrastive(nn.Module):
    """Projections to a space of unit vectors, trained with symmetric InfoNCE over the pairs present in a row.

    The temperature is learnt, starting at 0.07 and at least 0.01. Train rows with two or more modalities are held in
    memory. A single modality keeps its random initial projection.
    An absent modality is left out of the result, which is the mean of the projections of those present.

    Args:
        in_dims: The width of each modality.
        dim: The width of the shared space, at least 1.
        hidden: The width of a hidden layer; 0 for none.
        epochs: Maximum number of epochs, at least 1; training stops earlier if held-out rows do not improve.
        lr: The learning rate, above 0.
        batch: Rows per step, which are each other's negatives, at least 2.
        seed: Seed of weights, held-out rows and the order of rows.

    Raises:
        MmcliError: An option is out of range.

    Source: Radford et al. 2021 (CLIP), section 2.3; van den Oord et al. 2018 (InfoNCE), section 2.3.
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
        self.projections = Projections("contrastive", in_dims, dim, hidden, FitOptions(epochs, lr, batch, seed))

    def fit(self, train: Batches) -> None:
        """Learn the projections from the train rows.

        Raises:
            MmcliError: No two modalities are present together in two rows.
        """
        with torch.inference_mode(False):
            scale = torch.tensor(_FIRST_SCALE, requires_grad=True)

        def objective(embedded: Tensor, there: Tensor) -> Tensor:
            return info_nce(nn.functional.normalize(embedded, dim=2), there, scale.clamp(max=_LARGEST_SCALE).exp())

        self.projections.fit(train, objective, [scale])

    def embed(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, M, dim), unit vectors in the shared space; zeros for an absent modality."""
        embedded: Tensor = self.projections(features, present, nn.functional.normalize)
        return embedded

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim), the mean over the modalities present; zeros if none is."""
        return mean_of_present(self.embed(features, present), presence_matrix(present, self.names))


def info_nce(embedded: Tensor, there: Tensor, scale: Tensor) -> Tensor:
    """Return the mean cross-entropy of finding a row's other modality in the batch, over pairs and directions.

    Args:
        embedded: (B, M, dim), of norm 1 where present.
        there: (B, M) bool.
        scale: The inverse temperature, which multiplies the products.
    """
    losses, count = [embedded.sum() * 0], 0
    for m, n in pairs_of(embedded.shape[1]):
        rows = (there[:, m] & there[:, n]).nonzero().squeeze(1)
        if len(rows) < LEAST_ROWS:
            continue
        products = scale * embedded[rows, m] @ embedded[rows, n].T
        own = torch.arange(len(rows))
        for logits in (products, products.T):
            losses.append(nn.functional.cross_entropy(logits, own, reduction="sum"))
            count += len(rows)
    return torch.stack(losses).sum() / max(count, 1)
