"""The trained network: encoders, a projection for each modality, fusion and head, all passed in from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.models.abilities import HasHidden, IsTaught, takes_sequences, weigher
from mmcli.models.pooling import Feature, MeanPooling, as_steps
from mmcli.models.sequence import inside

_ROW_NORM = 4.0
"""Norm of an encoder's vectors; equal to that of scaled features, so that neither outweighs the other."""


class Network(nn.Module):
    """Outputs (B, K) from the features of several modalities, any of which may be absent.

    Args:
        in_dims: The width of each modality by name: D of a vector or a sequence, C of a feature map; if it has an
            encoder, of the encoder's features.
        fusion: Builds the fusion from the widths of its inputs.
        head: Builds the head from the width of the fused vector.
        projection_dim: The width to which a trained layer projects each modality, for a fusion that needs equal
            widths; None passes features on unchanged.
        dropout: Dropout probability of the fusion's inputs, from 0 to 1.
        encoders: The encoder of each encoded modality, by name.
        pooling: The pooling of each modality's sequence or feature map, by name, used if the fusion does not take
            sequences; the mean by default.
        mixed_precision: Compute encoders in bfloat16 where that is safe; their weights stay float32.
        modality_dropout: Probability of dropping each modality of a row in training, from 0 to 1; a row's last
            modality is never dropped.

    Raises:
        MmcliError: A probability is not from 0 to 1.

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
        """Set the training mode; frozen parts always stay in eval mode."""
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
        """Whether the head is trained by teacher forcing and generates its own output without targets."""
        return isinstance(self.head, IsTaught)

    def forward(
        self, features: Mapping[str, Feature], present: Mapping[str, Tensor], targets: Tensor | None = None
    ) -> Tensor:
        """Return (B, K).

        Args:
            features: For each modality vectors (B, D), feature maps (B, C, H, W) or sequences, values (B, T, D) and
                lengths (B,); for an encoded modality the encoder's inputs. Maps and sequences are pooled to one
                vector, unless the fusion takes sequences.
            present: (B,) bool for each modality; absent rows of ``features`` may hold anything.
            targets: (B, …), for a head trained by teacher forcing; the result is then that of its ``teach``.
        """
        if self.training and self.modality_dropout:
            present = drop_modalities(present, self.modality_dropout)
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return self.from_vectors(vectors, present, targets)

    def vector(self, name: str, feature: Feature, present: Tensor | None = None) -> Feature:
        """Return the fusion's input for a modality, encoded but not yet projected.

        This is one pooled vector (B, D) per row, or steps (B, T, D) with lengths (B,) for a sequence or feature map if
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
        """Return (B, K) from the results of ``vector`` for every modality."""
        fused = self.fusion(self._project(vectors, present), present)
        head: Any = self.head
        outputs: Tensor = head(fused) if targets is None else head.teach(fused, targets)
        return outputs

    def seen_by_head(self, vectors: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, D) from the results of ``vector``: the input of the head's last layer.

        A sequence of tokens counts as its first token, embeddings of several modalities as their sum.
        """
        fused = self.fusion(self._project(vectors, present), present)
        first: Tensor = fused[0][:, 0] if isinstance(fused, tuple) else fused
        if first.ndim == 3:
            return first.nan_to_num(0.0).sum(dim=1)
        return self.head.hidden(first) if isinstance(self.head, HasHidden) else first

    def fused(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, D), the head's input."""
        found: Tensor = self.fusion(self.fusion_inputs(features, present), present)
        return found

    def modality_weights(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor | None:
        """Return the fusion's weights (B, M), columns in sorted order of names; None if it has none."""
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return self.weights_from_vectors(vectors, present)

    def weights_from_vectors(self, vectors: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor | None:
        """Do the same from the results of ``vector`` for every modality."""
        weights = weigher(self.fusion)
        return None if weights is None else weights(self._project(vectors, present), present)

    def fusion_inputs(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> dict[str, Feature]:
        """Return the fusion's input for every modality."""
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return self._project(vectors, present)

    def pooling_of(self, name: str) -> nn.Module:
        """Return the pooling of a modality."""
        return self.pooling[self.names.index(name)]

    def _reduce(self, name: str, feature: Feature) -> Feature:
        if self.sequences:
            return as_steps(feature)
        pooled: Tensor = self.pooling_of(name)(feature)
        return pooled

    def _project(self, vectors: Mapping[str, Feature], present: Mapping[str, Tensor]) -> dict[str, Feature]:
        """Project the vectors, or each step; absent rows enter as zeros."""
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
    """Normalise vectors, or steps, to mean 0 and the norm of a scaled feature."""
    values = feature if isinstance(feature, Tensor) else feature[0]
    normal: Tensor = nn.functional.layer_norm(values, values.shape[-1:]) * (_ROW_NORM / values.shape[-1] ** 0.5)
    return normal if isinstance(feature, Tensor) else (normal, *feature[1:])


def _spread(feature: Feature, chosen: Tensor, rows: int) -> Feature:
    """Scatter a feature to the chosen ones of ``rows`` rows; the others are zeros."""
    values = (feature,) if isinstance(feature, Tensor) else feature
    spread = tuple(value.new_zeros(rows, *value.shape[1:]).index_copy(0, chosen, value) for value in values)
    return spread[0] if isinstance(feature, Tensor) else spread


def drop_modalities(present: Mapping[str, Tensor], chance: float) -> dict[str, Tensor]:
    """Drop each modality of a row with this probability, but never its last one; return the new presence."""
    names = sorted(present)
    there = torch.stack([present[name] for name in names], dim=1)
    draws = torch.rand(there.shape, device=there.device).masked_fill(~there, -1.0)
    highest = nn.functional.one_hot(draws.argmax(dim=1), len(names)).bool()
    kept = there & ((draws >= chance) | highest)
    return dict(zip(names, kept.unbind(dim=1), strict=True))
