"""A shared space in which the modalities of a row lie nearer to each other than to those of other rows."""

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
    """Projections to a space of unit vectors, trained by symmetric InfoNCE over the pairs present in a row.

    The temperature is learnt, from 0.07 and not below 0.01. Train rows with two modalities or more are held in memory.
    Where there is one modality alone, its projection stays the random one it starts from.
    An absent modality is left out of the result, the mean of the projections of those present.

    Args:
        in_dims: The width of each modality.
        dim: The width of the shared space, at least 1.
        hidden: The width of a hidden layer before it; 0 for none.
        epochs: Passes over the train rows at most, at least 1; it ends before where held-out rows gain nothing.
        lr: The learning rate, above 0.
        batch: Rows in a step, which are each other's negatives, at least 2.
        seed: What weights, held-out rows and the order of rows are drawn from.

    Raises:
        MmcliError: An option is out of its range.

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
        """Return (B, M, dim), unit vectors in the shared space; zeros where a modality is absent."""
        embedded: Tensor = self.projections(features, present, nn.functional.normalize)
        return embedded

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, dim), the mean over the modalities present; zeros where none is."""
        return mean_of_present(self.embed(features, present), presence_matrix(present, self.names))


def info_nce(embedded: Tensor, there: Tensor, scale: Tensor) -> Tensor:
    """Return the mean cross-entropy of finding a row's other modality among the batch, over pairs and directions.

    Args:
        embedded: (B, M, dim), of norm 1 where present.
        there: (B, M) bool.
        scale: What the products are multiplied by, one over the temperature.
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
