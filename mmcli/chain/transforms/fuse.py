"""The transform of fuse: scales features as fitted on the train rows, and fuses them if the method is static."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmcli.chain.collate import collate, width
from mmcli.chain.fusion_choice import check_pooling, load_fitted
from mmcli.chain.transforms import Lookup
from mmcli.chain.transforms.scaler import Scaler
from mmcli.errors import MmcliError
from mmcli.models import DEFAULT_POOLING
from mmcli.registry import FUSIONS, Spec, options_of, parse_spec
from mmcli.runtime import Runtime
from mmcli.store.columns import FUSED, Batch, Column, Dense, FieldSpec, LedgerEntry, ModalitySpec
from mmcli.store.keys import derived_keys, fingerprint, keys_beside
from mmcli.store.state import State

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mmcli.fusion import Link


def build_fusion(method: Spec, in_dims: Mapping[str, int], seed: int, link: Link | None = None) -> nn.Module:
    """Make a fusion method for modalities of these widths.

    Args:
        method: The name and options of the method.
        in_dims: The width of each modality; for a late method, the number of outputs of its head.
        seed: Seed of methods that use randomness.
        link: Turns a head's outputs into predictions, for a late method.

    Raises:
        MmcliError: There is no such method or option, or the widths do not suit it.
    """
    given: dict[str, Any] = {"in_dims": in_dims}
    if "seed" in options_of(FUSIONS.load(method.name)) and "seed" not in method.options:
        given["seed"] = seed
    if link is not None:
        given["link"] = link
    fusion: nn.Module = FUSIONS.build(method, **given)
    return fusion


def _version_of(method: Spec) -> int | None:
    """Return the version of a plugin method's code; None for mmcli's own, which have that of the transform."""
    return FUSIONS.constant(method.name, "version", 0) if FUSIONS.origin_of(method.name) is not None else None


@dataclass(frozen=True)
class _Input:
    spec: ModalitySpec
    scaler: Scaler


class FuseTransform:
    """Features in, scaled features out, with ``fused`` added if the method is static.

    Args:
        inputs: The features to fuse.
        method: The fusion method's name and options.
        seed: Seed of methods that use randomness.
        fuses: Whether to fuse; False only scales, for a network that also encodes preprocessed values and fuses all.
        pooling: How to pool a sequence or feature map into a vector, for methods that take vectors: ``mean``, ``max``,
            or ``attention``, which train builds.

    Raises:
        MmcliError: There is no such method or pooling, they do not fit each other, or a feature is named ``fused``.
    """

    stage: ClassVar[str] = "fuse"
    version: ClassVar[int] = 1

    def __init__(
        self,
        inputs: Mapping[str, ModalitySpec],
        method: Spec,
        seed: int,
        *,
        fuses: bool = True,
        pooling: str = DEFAULT_POOLING,
    ) -> None:
        if FUSED in inputs:
            raise MmcliError(f"a modality is named {FUSED!r}, which is reserved for the result of fuse; rename it")
        self.inputs = {name: _Input(spec, Scaler(spec.scaling)) for name, spec in inputs.items()}
        self.method = method
        self.seed = seed
        self.fuses = fuses
        self.pooling = pooling
        check_pooling(method.name, pooling)
        static = FUSIONS.constant(method.name, "kind") == "static"
        self.static = fuses and static and pooling != "attention"
        self.fitted = self.static and bool(FUSIONS.constant(method.name, "fitted", False))
        self._learnt: State | None = None

    @cached_property
    def _fusion(self) -> nn.Module | None:
        """The static method, made on first use because that loads torch."""
        if not self.static:
            return None
        fusion = build_fusion(self.method, self.in_dims, self.seed)
        if self._learnt is not None:
            load_fitted(fusion, self._learnt)
        return fusion

    @property
    def in_dims(self) -> dict[str, int]:
        """The width of each modality."""
        return {name: width(part.spec) for name, part in self.inputs.items()}

    @classmethod
    def load(
        cls, config: Mapping[str, Any], states: Mapping[str, State], inputs: Mapping[str, ModalitySpec]
    ) -> FuseTransform:
        """Make the transform that ``config`` and ``states`` describe.

        Raises:
            MmcliError: Its method now comes from another package or plugin, or its code has another version.
        """
        method = parse_spec(config["method"])
        FUSIONS.check_origin(method.name, config.get("plugin"))
        if config.get("method_version") != _version_of(method):
            raise MmcliError(
                f"fusion method {method}: made with version {config.get('method_version')} of its code, but the plugin "
                f"has version {_version_of(method)}; run the chain again from fuse"
            )
        made = cls(
            {name: inputs[name] for name in config["inputs"]}, method, config["seed"],
            fuses=config.get("fuses", True), pooling=config.get("pooling", DEFAULT_POOLING),
        )  # fmt: skip
        parts = dict(states)
        if made.fitted:
            made._learnt = parts.pop(FUSED)
        for name, state in parts.items():
            made.inputs[name].scaler.load_state(state)
        return made

    def config(self) -> dict[str, Any]:
        """Return the method and the features it fuses."""
        told = {"inputs": list(self.inputs), "method": str(self.method), "seed": self.seed}
        if not self.fuses:
            told["fuses"] = False
        if self.pooling != DEFAULT_POOLING:
            told["pooling"] = self.pooling
        if (version := _version_of(self.method)) is not None:
            told["method_version"] = version
        return {**told, **FUSIONS.plugin_of(self.method.name)}

    def states(self) -> dict[str, State]:
        """Return the scale of each modality, and the state of a fitted method as ``fused``."""
        scales = {name: part.scaler.state() for name, part in self.inputs.items()}
        return scales if self._learnt is None else {**scales, FUSED: self._learnt}

    def modalities(self) -> dict[str, ModalitySpec]:
        """Return the scaled features, and ``fused`` if the method is static."""
        made = {
            name: replace(
                part.spec,
                fields={"": replace(part.spec.main, dtype="float32")},
                fingerprint=fingerprint([part.spec.fingerprint, part.scaler.state().digest()]),
                scaling="none",
            )
            for name, part in self.inputs.items()
        }
        if self._fusion is not None:
            identity = [str(self.method), self.seed, {name: spec.fingerprint for name, spec in made.items()}]
            if self.pooling != DEFAULT_POOLING:
                identity.append(self.pooling)
            if self._learnt is not None:
                identity.append(self._learnt.digest())
            if (version := _version_of(self.method)) is not None:
                identity += [version, *FUSIONS.code_of(self.method.name)]
            form = FieldSpec("dense", "float32", (int(self._fusion.out_dim),), "D")  # type: ignore[arg-type]
            made[FUSED] = ModalitySpec("tensor", FUSED, None, fingerprint(identity), {"": form})
        return made

    def fit(
        self,
        train: Callable[[str], Iterable[Column]],
        aligned: Callable[[Collection[str]], Iterable[Mapping[str, Column]]],
        scaled: FuseTransform | None = None,
    ) -> None:
        """Fit the scale of each modality, and the method if it is a fitted one.

        Args:
            train: Iterates over a modality's columns of the train rows that have it.
            aligned: Iterates over the columns of several modalities for the same train rows.
            scaled: A transform already fitted to these rows, whose scales are reused.
        """
        for name, part in self.inputs.items():
            if scaled is not None:
                part.scaler.load_state(scaled.inputs[name].scaler.state())
            elif part.spec.scaling != "none":
                part.scaler.fit(train(name))
        if self.fitted:
            self._fit_fusion(aligned)

    def _fit_fusion(self, aligned: Callable[[Collection[str]], Iterable[Mapping[str, Column]]]) -> None:
        from mmcli.fusion import FitsRows

        fusion = self._fusion
        assert isinstance(fusion, FitsRows)

        def batches() -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
            for columns in aligned(list(self.inputs)):
                yield self._vectors({name: self._scaled(name, column) for name, column in columns.items()})

        fusion.fit(batches)
        self._learnt = State({}, {name: value.numpy() for name, value in fusion.state_dict().items()})

    def _scaled(self, name: str, column: Column) -> Column:
        return Column(dict(self.inputs[name].scaler.apply(column)), column.present.copy(), column.key)

    def _vectors(self, columns: Mapping[str, Column]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the vectors of each modality, (B, D), and its presence, (B,) bool."""
        import torch

        features, present = collate(columns, sorted(self.inputs))
        with torch.no_grad():
            return {name: self._pool(feature) for name, feature in features.items()}, present

    @cached_property
    def _pool(self) -> nn.Module:
        from mmcli.models.pooling import build_pooling

        return build_pooling(self.pooling, 0)

    def apply(self, batch: Batch, runtime: Runtime, earlier: Lookup) -> Batch:
        """Return the batch with its features scaled, and fused if the method is static."""
        del runtime, earlier
        specs = self.modalities()
        columns = dict(batch.columns)
        for name in self.inputs:
            column = batch.columns[name]
            columns[name] = replace(self._scaled(name, column), key=keys_beside(specs[name].fingerprint, column))
        ledger = list(batch.ledger)
        if self._fusion is not None:
            columns[FUSED] = self._fuse(columns, specs[FUSED].fingerprint)
            names = {entry.row: entry.id for entry in batch.ledger}
            ledger += [
                LedgerEntry(int(row), names.get(int(row), ""), FUSED, "missing", "no modality is present")
                for row in np.flatnonzero(~columns[FUSED].present)
            ]
        return Batch(batch.rows, columns, ledger, batch.cells)

    def expected(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Return the presence and keys of the scaled features that ``apply`` would make, without their values."""
        specs, own = self.modalities(), {name: columns[name] for name in self.inputs}
        return {
            name: Column({}, each.present, keys_beside(specs[name].fingerprint, each)) for name, each in own.items()
        }

    def _fuse(self, columns: Mapping[str, Column], identity: str) -> Column:
        import torch

        assert self._fusion is not None
        names = sorted(self.inputs)
        with torch.inference_mode():
            fused = self._fusion(*self._vectors(columns))
        there = np.logical_or.reduce([columns[name].present for name in names])
        together = np.concatenate([columns[name].key for name in names], axis=1)
        keys = derived_keys(identity, together)
        keys[~there] = 0
        return Column({"": Dense(fused.numpy())}, there, keys)
