"""The network that is trained: encoders, a projection for each modality, fusion, head, each handed in from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.models.abilities import IsTaught, takes_sequences, weigher
from mmcli.models.pooling import Feature, MeanPooling, as_steps
from mmcli.models.sequence import inside

_ROW_NORM = 4.0
"""The norm of an encoder's vector, that of a scaled feature: so that neither outweighs the other."""


class Network(nn.Module):
    """Outputs (B, K) from the features of several modalities, any of which may be absent.

    Args:
        in_dims: The width of each modality by name: D of a vector or a sequence, C of a feature map; of an encoder's
            features where it has one.
        fusion: Makes the fusion from the widths it will get.
        head: Makes the head from the width of the fused vector.
        projection_dim: The width each modality is projected to by a layer that is trained with the rest, for a
            fusion that needs equal widths; None gives fusion the features as they are.
        dropout: The share of the fusion's inputs dropped in training, from 0 to 1.
        encoders: By name, what makes the features of a modality from its stored values.
        pooling: By name, what makes one vector of a modality's sequence or feature map, where the fusion does not
            take sequences; of those without it is the mean.
        mixed_precision: Let encoders compute in bfloat16 where that is safe, their weights staying float32.
        modality_dropout: The chance that a modality of a row is taken for absent in training, from 0 to 1;
            the last one of a row never is.

    Raises:
        MmcliError: A share is not from 0 to 1.

    Source: modality dropout as in Neverova et al. 2016 (ModDrop), section 3.3.
    """

    def __init__(
        self,
        in_dims: Mapping[str, int],
        *,
        fusion: Callable[[dict[str, int]], nn.Module],
        head: Callable[[int], nn.Module],
        encoders: Mapping[str, nn.Module] | None = None,
        pooling: Mapping[str, nn.Module] | None = None,
        mixed_precision: bool = False,
        projection_dim: int | None = None,
        dropout: float = 0.0,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= modality_dropout <= 1 or not 0 <= dropout <= 1:
            raise MmcliError(f"dropout {dropout} and modality dropout {modality_dropout} must be from 0 to 1")
        self.names = sorted(in_dims)
        self.in_dims = dict(in_dims)
        self.modality_dropout = modality_dropout
        self.mixed_precision = mixed_precision
        self.encoders = nn.ModuleDict(dict(sorted((encoders or {}).items())))
        self.pooling = nn.ModuleList((pooling or {}).get(name) or MeanPooling() for name in self.names)
        self.projections = nn.ModuleList(
            nn.Dropout(dropout) if projection_dim is None else _projection(in_dims[name], projection_dim, dropout)
            for name in self.names
        )
        self.fusion = fusion({name: projection_dim or in_dims[name] for name in self.names})
        self.sequences = takes_sequences(self.fusion)
        out_dim = self.fusion.out_dim
        assert isinstance(out_dim, int)
        self.head = head(out_dim)

    def train(self, mode: bool = True) -> Network:
        """Turn training on or off; what is frozen computes as if it were off, with the statistics it came with."""
        super().train(mode)
        for encoder in self.encoders.values():
            if not any(parameter.requires_grad for parameter in encoder.parameters()):
                encoder.eval()
            for module in encoder.modules():
                own = list(module.parameters(recurse=False))
                if own and not any(parameter.requires_grad for parameter in own):
                    module.training = False
        return self

    @property
    def taught(self) -> bool:
        """Whether the head learns from the targets that it is told, and writes something of its own without them."""
        return isinstance(self.head, IsTaught)

    def forward(
        self, features: Mapping[str, Feature], present: Mapping[str, Tensor], targets: Tensor | None = None
    ) -> Tensor:
        """Return (B, K).

        Args:
            features: For each modality vectors (B, D), feature maps (B, C, H, W) or sequences: values (B, T, D) and
                lengths (B,); for one with an encoder what that takes. Maps and sequences are pooled to one vector,
                or go to a fusion that takes sequences step by step.
            present: (B,) bool for each modality; absent rows of ``features`` may hold anything.
            targets: (B, …), for a head that is taught; what is returned is then its ``teach``.
        """
        if self.training and self.modality_dropout:
            present = drop_modalities(present, self.modality_dropout)
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return self.from_vectors(vectors, present, targets)

    def vector(self, name: str, feature: Feature, present: Tensor | None = None) -> Feature:
        """Return what fusion gets of a modality, encoded where it has an encoder, but for the projection.

        That is one vector (B, D) a row, pooled; steps (B, T, D) with lengths (B,) of a sequence or a feature map if
        the fusion takes sequences.

        In training only the rows where it is ``present``, (B,) bool, are encoded; the others are zeros.
        """
        if name not in self.encoders:
            return self._reduce(name, feature)
        inputs = (feature,) if isinstance(feature, Tensor) else feature
        chosen = None
        if self.training and present is not None and not present.all():
            chosen = present.nonzero().squeeze(1)
            if not len(chosen):
                return torch.zeros(len(present), self.in_dims[name], device=present.device)
            inputs = tuple(value[chosen] for value in inputs)
        context = torch.autocast(inputs[0].device.type, torch.bfloat16) if self.mixed_precision else nullcontext()
        with context:
            found = self.encoders[name](*inputs)
        found = (found[0].float(), found[1]) if isinstance(found, tuple) else found.float()
        reduced = _normalise(self._reduce(name, found))
        if chosen is None:
            return reduced
        assert present is not None
        return _spread(reduced, chosen, len(present))

    def from_vectors(
        self, vectors: Mapping[str, Feature], present: Mapping[str, Tensor], targets: Tensor | None = None
    ) -> Tensor:
        """Return (B, K) from what ``vector`` returned of every modality."""
        fused = self.fusion(self._project(vectors, present), present)
        head: Any = self.head
        outputs: Tensor = head(fused) if targets is None else head.teach(fused, targets)
        return outputs

    def fused(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, D), what the head gets."""
        found: Tensor = self.fusion(self.fusion_inputs(features, present), present)
        return found

    def modality_weights(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor | None:
        """Return the fusion's weights (B, M), columns in sorted order of names; None where it has none."""
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return self.weights_from_vectors(vectors, present)

    def weights_from_vectors(self, vectors: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor | None:
        """Return the same from what ``vector`` returned of every modality."""
        weights = weigher(self.fusion)
        return None if weights is None else weights(self._project(vectors, present), present)

    def fusion_inputs(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> dict[str, Feature]:
        """Return what the fusion gets of every modality."""
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return self._project(vectors, present)

    def pooling_of(self, name: str) -> nn.Module:
        """Return what makes one vector of a modality's steps."""
        return self.pooling[self.names.index(name)]

    def _reduce(self, name: str, feature: Feature) -> Feature:
        if self.sequences:
            return as_steps(feature)
        pooled: Tensor = self.pooling_of(name)(feature)
        return pooled

    def _project(self, vectors: Mapping[str, Feature], present: Mapping[str, Tensor]) -> dict[str, Feature]:
        """Return what the projections make of the vectors, or of each step; zeros go in where there is nothing."""
        found: dict[str, Feature] = {}
        for name, layer in zip(self.names, self.projections, strict=True):
            value = vectors[name]
            if isinstance(value, Tensor):
                found[name] = layer(torch.where(present[name].unsqueeze(1), value, 0.0))
            else:
                steps, lengths = value
                own = inside(lengths, steps.shape[1]) & present[name].unsqueeze(1)
                found[name] = layer(torch.where(own.unsqueeze(2), steps, 0.0)), lengths
        return found


def _projection(in_dim: int, out_dim: int, dropout: float) -> nn.Module:
    return nn.Sequential(nn.Linear(in_dim, out_dim), nn.LayerNorm(out_dim), nn.ReLU(), nn.Dropout(dropout))


def _normalise(feature: Feature) -> Feature:
    """Return vectors, or steps, of mean 0 and the norm of a scaled feature."""
    values = feature if isinstance(feature, Tensor) else feature[0]
    normal: Tensor = nn.functional.layer_norm(values, values.shape[-1:]) * (_ROW_NORM / values.shape[-1] ** 0.5)
    return normal if isinstance(feature, Tensor) else (normal, *feature[1:])


def _spread(feature: Feature, chosen: Tensor, rows: int) -> Feature:
    """Return ``rows`` rows of which the chosen ones are those of a feature, and the others zeros."""
    values = (feature,) if isinstance(feature, Tensor) else feature
    spread = tuple(value.new_zeros(rows, *value.shape[1:]).index_copy(0, chosen, value) for value in values)
    return spread[0] if isinstance(feature, Tensor) else spread


def drop_modalities(present: Mapping[str, Tensor], chance: float) -> dict[str, Tensor]:
    """Return presence with each modality of a row dropped at this chance, though never the last one."""
    names = sorted(present)
    there = torch.stack([present[name] for name in names], dim=1)
    draws = torch.rand(there.shape, device=there.device).masked_fill(~there, -1.0)
    highest = nn.functional.one_hot(draws.argmax(dim=1), len(names)).bool()
    kept = there & ((draws >= chance) | highest)
    return dict(zip(names, kept.unbind(dim=1), strict=True))
