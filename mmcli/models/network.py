"""The network that is trained: encoders, a projection for each modality, fusion, head, each handed in from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError

Feature = Tensor | tuple[Tensor, ...]
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
        self.projections = nn.ModuleList(
            nn.Dropout(dropout) if projection_dim is None else _projection(in_dims[name], projection_dim, dropout)
            for name in self.names
        )
        self.fusion = fusion({name: projection_dim or in_dims[name] for name in self.names})
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

    def forward(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, K).

        Args:
            features: For each modality vectors (B, D), feature maps (B, C, H, W), averaged over H and W, or
                sequences: values (B, T, D) and lengths (B,), averaged over their own steps; for one with an encoder
                what that takes.
            present: (B,) bool for each modality; absent rows of ``features`` may hold anything.
        """
        if self.training and self.modality_dropout:
            present = drop_modalities(present, self.modality_dropout)
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return self.from_vectors(vectors, present)

    def vector(self, name: str, feature: Feature, present: Tensor | None = None) -> Tensor:
        """Return one vector (B, D) a row of a modality: encoded where it has an encoder, pooled.

        In training only the rows where it is ``present``, (B,) bool, are encoded; the others are zeros.
        """
        if name not in self.encoders:
            return pool(feature)
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
        pooled = pool(found)
        vectors: Tensor = nn.functional.layer_norm(pooled, pooled.shape[1:]) * (_ROW_NORM / pooled.shape[1] ** 0.5)
        if chosen is None:
            return vectors
        assert present is not None
        everywhere: Tensor = vectors.new_zeros(len(present), vectors.shape[1]).index_copy(0, chosen, vectors)
        return everywhere

    def from_vectors(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, K) from the vectors of every modality, (B, D) each."""
        outputs: Tensor = self.head(self.fusion(self._project(vectors, present), present))
        return outputs

    def modality_weights(self, features: Mapping[str, Feature], present: Mapping[str, Tensor]) -> Tensor | None:
        """Return the fusion's weights (B, M), columns in sorted order of names; None where it has none."""
        weights = getattr(self.fusion, "modality_weights", None)
        vectors = {name: self.vector(name, value, present[name]) for name, value in features.items()}
        return None if weights is None else weights(self._project(vectors, present), present)

    def _project(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: layer(torch.where(present[name].unsqueeze(1), vectors[name], 0.0))
            for name, layer in zip(self.names, self.projections, strict=True)
        }


def _projection(in_dim: int, out_dim: int, dropout: float) -> nn.Module:
    return nn.Sequential(nn.Linear(in_dim, out_dim), nn.LayerNorm(out_dim), nn.ReLU(), nn.Dropout(dropout))


def pool(feature: Feature) -> Tensor:
    """Return one vector a row: a sequence's mean over its own steps, a feature map's over H and W.

    What lies behind a sequence's end has no influence; a sequence of no steps gives zeros.
    """
    if isinstance(feature, Tensor):
        return feature.flatten(start_dim=2).mean(dim=2) if feature.dim() > 2 else feature
    values, lengths = feature
    inside = torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)
    # One step after the other, so that a row's last bits do not depend on how far its batch is padded.
    total = torch.segment_reduce(values[inside], "sum", lengths=lengths.long(), axis=0, initial=0)
    return total / lengths.clamp(min=1).unsqueeze(1)


def drop_modalities(present: Mapping[str, Tensor], chance: float) -> dict[str, Tensor]:
    """Return presence with each modality of a row dropped at this chance, though never the last one."""
    names = sorted(present)
    there = torch.stack([present[name] for name in names], dim=1)
    draws = torch.rand(there.shape, device=there.device).masked_fill(~there, -1.0)
    highest = nn.functional.one_hot(draws.argmax(dim=1), len(names)).bool()
    kept = there & ((draws >= chance) | highest)
    return dict(zip(names, kept.unbind(dim=1), strict=True))
