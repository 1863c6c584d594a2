"""Projections of modalities to a shared space, trained on rows without labels in a short loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.fusion import Batches
from mmcli.fusion.presence import fill_absent, presence_matrix, require_width
from mmcli.fusion.static._moments import CentredRows, in_basis, leading_bases, out_of_basis
from mmcli.fusion.static._projection import in_blocks
from mmcli.fusion.static._shared_space import LEAST_ROWS, require_shared_rows

_HELD_OUT = 0.1
_PATIENCE = 5
_WEIGHT_DECAY = 0.01

Objective = Callable[[Tensor, Tensor], Tensor]
"""Maps embeddings (B, M, dim) and presence (B, M) to the scalar to minimise."""
Layers = list[tuple[Tensor, Tensor]]
"""The matrix (in, out) and bias (out,) of each layer of one modality."""


@dataclass(frozen=True)
class FitOptions:
    """Training options: AdamW, stopped after 5 epochs without improvement on a held-out tenth of the rows.

    Raises:
        MmcliError: A value is out of range.
    """

    epochs: int
    lr: float
    batch: int
    seed: int

    def __post_init__(self) -> None:
        for name, least in {"epochs": 1, "batch": LEAST_ROWS}.items():
            if getattr(self, name) < least:
                raise MmcliError(f"fusion: {name} must be at least {least}, not {getattr(self, name)}")
        if not 0 < self.lr < float("inf"):
            raise MmcliError(f"fusion: lr must be above 0, not {self.lr}")


class Projections(nn.Module):
    """One linear layer for each modality, or two with a ReLU in between; buffers, zeros until ``fit``.

    Args:
        method: The fusion method, for messages.
        in_dims: The width of each modality.
        dim: The width of the shared space, at least 1.
        hidden: The width of the hidden layer, 0 for none.
        options: Training options.

    Raises:
        MmcliError: A width is out of range.
    """

    def __init__(self, method: str, in_dims: Mapping[str, int], dim: int, hidden: int, options: FitOptions) -> None:
        super().__init__()
        require_width("dim", dim)
        if hidden:
            require_width("hidden", hidden)
        self.method = method
        self.in_dims = dict(in_dims)
        self.names = sorted(in_dims)
        self.options = options
        self.widths = [hidden, dim] if hidden else [dim]
        for index, name in enumerate(self.names):
            for layer, (before, after) in enumerate(zip([in_dims[name], *self.widths], self.widths, strict=False)):
                self.register_buffer(f"weight_{index}_{layer}", torch.zeros(before, after))
                self.register_buffer(f"bias_{index}_{layer}", torch.zeros(after))

    def forward(
        self,
        features: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        finish: Callable[[Tensor], Tensor] = lambda embedded: embedded,
    ) -> Tensor:
        """Return (B, M, dim), zeros for an absent modality; ``finish`` is applied to each projection (B, dim)."""
        values = fill_absent(features, present, self.names)
        layers = [self._layers(index) for index in range(len(self.names))]
        parts = [
            in_blocks(value, lambda block, own=own: finish(_project(block, own)))  # type: ignore[misc]
            for value, own in zip(values, layers, strict=True)
        ]
        there = presence_matrix(present, self.names)
        return torch.where(there.unsqueeze(2), torch.stack(parts, dim=1), 0.0)

    # The caller may have disabled gradients.
    @torch.inference_mode(False)
    def fit(self, train: Batches, objective: Objective, learnt: list[Tensor]) -> None:
        """Train the projections and ``learnt``, further parameters of the objective.

        Rows with two or more modalities are held in memory, 4 bytes per column; modalities with more than 1024 columns
        are reduced to 256 or twice ``dim`` leading directions. All randomness comes from the seed.

        Raises:
            MmcliError: No two modalities are present together in two rows, or the loss is no longer finite.
        """
        generator = torch.Generator().manual_seed(self.options.seed)
        centred = CentredRows(train, self.in_dims)
        bases = leading_bases(centred, [self.in_dims[name] for name in self.names], self.widths[-1])
        values, there = self._held(centred, bases)
        scales = [_unit_scale(value, shown) for value, shown in zip(values, there.unbind(dim=1), strict=True)]
        values = [value * scale for value, scale in zip(values, scales, strict=True)]
        network = [self._drawn(value.shape[1], generator) for value in values]

        def loss(rows: Tensor) -> Tensor:
            parts = [_project(value[rows], layers) for value, layers in zip(values, network, strict=True)]
            return objective(torch.stack(parts, dim=1), there[rows])

        leaves = [leaf for layers in network for layer in layers for leaf in layer]
        if len(there):
            _train(leaves, learnt, loss, len(there), self.options, generator)
        for index, layers in enumerate(network):
            self._keep(index, layers, scales[index], bases[index], centred.means[index])

    def _held(self, centred: CentredRows, bases: list[Tensor | None]) -> tuple[list[Tensor], Tensor]:
        parts: list[list[Tensor]] = [[] for _ in bases]
        presence = [torch.zeros(0, len(bases), dtype=torch.bool)]
        for values, there in centred():
            chosen = there.sum(dim=1) > 1
            presence.append(there[chosen])
            for part, value, basis in zip(parts, values, bases, strict=True):
                part.append(in_basis(value[chosen], basis))
        held = torch.cat(presence)
        require_shared_rows(self.method, held.double().T @ held.double())
        return [torch.cat(part) for part in parts], held

    def _drawn(self, width: int, generator: torch.Generator) -> Layers:
        """Draw layers that preserve a variance of 1."""
        layers, scale = [], 1.0
        for before, after in zip([width, *self.widths], self.widths, strict=False):
            weight = torch.randn(before, after, generator=generator) * (scale / before**0.5)
            layers.append((weight.requires_grad_(), torch.zeros(after, requires_grad=True)))
            scale = 2**0.5  # a ReLU passes half of its input
        return layers

    def _keep(self, index: int, layers: Layers, scale: float, basis: Tensor | None, mean: Tensor) -> None:
        """Store layers trained on centred, scaled features in a basis as layers for the original features."""
        (weight, bias), *others = [(matrix.detach(), shift.detach()) for matrix, shift in layers]
        first = out_of_basis(weight * scale, basis)
        folded = [(first, bias - (mean @ first.double()).float()), *others]
        for layer, (matrix, shift) in enumerate(folded):
            setattr(self, f"weight_{index}_{layer}", matrix)
            setattr(self, f"bias_{index}_{layer}", shift)

    def _layers(self, index: int) -> Layers:
        return [
            (self.get_buffer(f"weight_{index}_{layer}"), self.get_buffer(f"bias_{index}_{layer}"))
            for layer in range(len(self.widths))
        ]


def _project(values: Tensor, layers: Layers) -> Tensor:
    for number, (weight, bias) in enumerate(layers):
        values = values.relu() if number else values
        values = values @ weight.to(values.dtype) + bias.to(values.dtype)
    return values


def _unit_scale(values: Tensor, there: Tensor) -> float:
    """Return the factor that gives the values present a mean variance of 1; 1 if they have no variance."""
    variance = values.double().square().sum() / (int(there.sum()) * values.shape[1] or 1)
    return float(variance.rsqrt()) if variance > 0 else 1.0


def _train(
    leaves: list[Tensor],
    learnt: list[Tensor],
    loss: Callable[[Tensor], Tensor],
    rows: int,
    options: FitOptions,
    generator: torch.Generator,
) -> None:
    """Train ``leaves`` and ``learnt``; leave in ``leaves`` the values that were best on the held-out rows."""
    order = torch.randperm(rows, generator=generator)
    held = int(rows * _HELD_OUT)
    # With too few rows to hold any out, the best epoch is chosen on the train rows.
    held_out, own = (order[:held], order[held:]) if held >= LEAST_ROWS else (order, order)
    matrices, others = [leaf for leaf in leaves if leaf.ndim > 1], [leaf for leaf in leaves if leaf.ndim == 1]
    groups = [{"params": matrices, "weight_decay": _WEIGHT_DECAY}, {"params": others + learnt, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.lr)
    best, least, waited = [leaf.detach().clone() for leaf in leaves], float("inf"), 0
    for _ in range(options.epochs):
        for batch in _cut(own[torch.randperm(len(own), generator=generator)], options.batch):
            optimizer.zero_grad()
            loss(batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            found = sum(float(loss(batch)) * len(batch) for batch in _cut(held_out, options.batch)) / len(held_out)
        if not found < float("inf"):
            raise MmcliError(f"fusion: the loss is not finite; use an lr below {options.lr:g}")
        waited += 1
        if found < least:
            best, least, waited = [leaf.detach().clone() for leaf in leaves], found, 0
        if waited == _PATIENCE:
            break
    with torch.no_grad():
        for leaf, value in zip(leaves, best, strict=True):
            leaf.copy_(value)


def _cut(rows: Tensor, batch: int) -> tuple[Tensor, ...]:
    """Split rows into the fewest nearly equal pieces of at most ``batch``; no piece of one row if that is over 2."""
    return torch.tensor_split(rows, -(-len(rows) // batch))
