"""Cross-modal retrieval: which items of one modality belong to those of another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcli.errors import MmcliError, UsageError
from mmcli.store.state import State
from mmcli.tasks._retrieval_metrics import (
    TOPS,
    Judged,
    chance_metrics,
    direction_draws,
    direction_metrics,
    judge,
    mean_recalls,
)

Floats = NDArray[np.float64]
_SCALE = 1 / 0.07
_ROWS_AT_ONCE = 1024
_LONGEST = 64


class Retrieval:
    """Embeddings of each modality in a shared space, in which those of a row, or of a group of rows, are close.

    A prediction is the embeddings of a row's modalities, (M, D) of norm 1, NaN if one is absent. The space is that of a
    fitted fusion method; nothing is trained in epochs. A target is the row's group, or its id.

    Args:
        relevant: The column whose equal values mark rows that belong together; None is the column that groups rows
            within a split, if there is one.

    Source: the metrics as in Hodosh et al. 2013 and Karpathy and Fei-Fei 2015, see ``judge``.
    """

    version = 1
    link = "embedding"
    target = "group"
    method = "cca:dim=128,regularization=1.0"
    monitor = "mean_recall@10"
    headline = ("mean_recall@10", "*_recall@10", "*_median_rank")
    smaller_is_better = ("*_median_rank",)

    def __init__(self, *, relevant: str | None = None) -> None:
        self.relevant = relevant
        self.modalities: list[str] = []
        self._last: tuple[Floats, NDArray[Any], dict[str, Judged]] | None = None

    def fault(self, target: Any) -> str | None:
        """Return None: anything can name a group."""
        del target
        return None

    def fit(self, targets: Sequence[Any]) -> None:
        """Do nothing: groups are not learnt."""
        del targets

    def take_modalities(self, names: Sequence[str]) -> None:
        """Set the modalities to match.

        Raises:
            MmcliError: There are fewer than two.
        """
        if len(set(names)) < 2:
            raise MmcliError(f"task retrieval needs at least two modalities, found {', '.join(names)}")
        self.modalities = sorted(set(names))

    def outcomes(self) -> Sequence[str]:
        """Return the modalities, which name the metrics."""
        return self.modalities

    @property
    def out_dim(self) -> int:
        """The number of embeddings M; their width is the fusion's."""
        return len(self.modalities)

    def known(self, target: Any) -> bool:
        """Return True: groups need not be seen in training."""
        del target
        return True

    def encode(self, targets: Sequence[Any]) -> NDArray[np.int32]:
        """Return the characters of each group's name as numbers, (N, L), padded with zeros.

        A name of more than 64 characters ends in a hash, so that one long name does not lengthen all rows.
        """
        texts = np.array([_shortened(str(target)) for target in targets], np.str_)
        return texts.view(np.int32).reshape(len(texts), texts.itemsize // 4)

    def decode(self, encoded: NDArray[np.int32]) -> list[str]:
        """Return the groups' names."""
        wide = np.ascontiguousarray(encoded, np.int32)
        return [str(name) for name in wide.view(f"U{wide.shape[1]}").ravel()]

    def class_weights(self, encoded: NDArray[Any], mode: Literal["none", "balanced", "effective"]) -> Tensor | None:
        """Return None.

        Raises:
            UsageError: Weights are requested.
        """
        if mode != "none":
            raise UsageError(f"--class-weights {mode}: retrieval has no classes")
        return None

    def loss(self, outputs: Tensor, encoded: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy of finding a row's other modality among those of other groups (InfoNCE).

        Args:
            outputs: (B, M, D) of norm 1, NaN if absent.
            encoded: The groups, (B, L).
            weight: Unused.

        Source: Radford et al. 2021 (CLIP), section 2.3, with a temperature of 0.07; rows of the same group are not
        negatives.
        """
        groups = torch.unique(encoded, dim=0, return_inverse=True)[1].to(outputs.device)
        there = ~outputs.isnan().any(dim=2)
        losses, count = [outputs.nan_to_num(0.0).sum() * 0], 0
        for first, second in permutations(range(outputs.shape[1]), 2):
            rows = (there[:, first] & there[:, second]).nonzero().squeeze(1)
            places = torch.arange(len(rows), device=outputs.device)
            for here in torch.split(places, _ROWS_AT_ONCE):
                scores = _SCALE * outputs[rows[here], first] @ outputs[rows, second].T
                same = groups[rows[here]].unsqueeze(1) == groups[rows]
                same[torch.arange(len(here)), here] = False
                scores = scores.masked_fill(same, -torch.inf)
                losses.append(torch.nn.functional.cross_entropy(scores, here, reduction="sum"))
            count += len(rows)
        return torch.stack(losses).sum() / max(count, 1)

    def predictions(self, outputs: Tensor) -> Floats:
        """Return the embeddings, (N, M, D)."""
        found: Floats = outputs.detach().cpu().double().numpy()
        return found

    def prior(self) -> Floats:
        """Return NaN, the embedding of a row without any modality."""
        return np.full((1, 1), np.nan)

    def records(self, predictions: Floats, known: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """Return the cosine between each two modalities of a row; a low one may indicate a wrong pair."""
        del known
        pairs = list(combinations(range(len(self.modalities)), 2))
        names = [f"{self.modalities[first]}+{self.modalities[second]}" for first, second in pairs]
        cosines = np.stack([(predictions[:, m] * predictions[:, n]).sum(axis=1) for m, n in pairs], axis=1)
        return [
            {"similarity": {name: value for name, value in zip(names, row, strict=True) if value == value}}
            for row in cosines.tolist()
        ]

    def metrics(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, float]:
        """Return recall at 1, 5 and 10, the median rank and the mean average precision of each direction.

        ``mean_recall@10`` etc. are means over directions. Empty if no row has two modalities.
        """
        found = {name: direction_metrics(judged) for name, judged in self._judge(predictions, encoded).items()}
        return {**mean_recalls(found), **_by_direction(found)}

    def row_scores(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Floats]:
        """Return nothing: items are measured, not rows."""
        del predictions, encoded
        return {}

    def metrics_of_draws(
        self, predictions: Floats, encoded: NDArray[Any], counts: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Return the metrics of draws of queries over all candidates.

        Groups are drawn with all their queries, as often as their first row.
        """
        first, groups = _groups(encoded)
        del groups
        found = {
            name: direction_draws(judged, counts[:, first[judged.groups]])
            for name, judged in self._judge(predictions, encoded).items()
        }
        means = {
            f"mean_recall@{top}": np.mean([each[f"recall@{top}"] for each in found.values()], axis=0)
            for top in TOPS
            if found
        }
        return {**means, **_by_direction(found)}

    def baselines(self, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``chance``: the expectation for a random order if each row is an item of each modality."""
        sizes = np.unique(_groups(encoded)[1], return_counts=True)[1]
        found = chance_metrics(np.repeat(sizes, sizes), len(encoded))
        return _chance({name: found for name in self._directions()})

    def baselines_beside(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return ``chance``: the expectation for a random order of the same items."""
        judged = self._judge(predictions, encoded)
        return _chance({name: chance_metrics(each.relevant, each.candidates) for name, each in judged.items()})

    def state(self) -> State:
        """Return the names of the modalities."""
        return State({"modalities": self.modalities}, {})

    def load_state(self, state: State) -> None:
        """Restore what ``state`` returned."""
        self.modalities = list(state.values["modalities"])

    def _directions(self) -> dict[str, tuple[int, int]]:
        places = permutations(range(len(self.modalities)), 2)
        return {f"{self.modalities[query]}_to_{self.modalities[found]}": (query, found) for query, found in places}

    def _judge(self, predictions: Floats, encoded: NDArray[Any]) -> dict[str, Judged]:
        """Return the results of the queries of each direction; cached for the same arrays."""
        if self._last is None or self._last[0] is not predictions or self._last[1] is not encoded:
            groups = _groups(encoded)[1]
            found = {name: judge(predictions, groups, *places) for name, places in self._directions().items()}
            kept = {name: judged for name, judged in found.items() if judged is not None}
            self._last = (predictions, encoded, kept)
        return self._last[2]


def _groups(encoded: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each group, (G,), and each row's group, (N,)."""
    wide = np.ascontiguousarray(encoded)
    names = wide.view(np.dtype((np.void, wide.shape[1] * wide.itemsize))).ravel()
    _, first, groups = np.unique(names, return_index=True, return_inverse=True)
    return first, groups


def _by_direction(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{direction}_{name}": value for direction, each in found.items() for name, value in each.items()}


def _chance(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {"chance": {**mean_recalls(found), **_by_direction(found)}}


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    end = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_LONGEST // 4).hexdigest()
    return name[: _LONGEST // 2] + end
