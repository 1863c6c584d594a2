"""The transform of extract-features: stored modalities to features, each by one or more extractors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from mmcli.chain.extractors import make_extractor, registry_for, runs_network
from mmcli.chain.transforms import Lookup
from mmcli.errors import MmcliError
from mmcli.modalities import Extractor
from mmcli.registry import ENCODERS, EXTRACTORS, Spec, options_of, parse_spec
from mmcli.runtime import Precision, Runtime
from mmcli.store.columns import Array, Batch, Column, ModalitySpec, assemble
from mmcli.store.keys import fingerprint, keys_beside
from mmcli.store.state import State

_ARGUMENT = "argument"


@dataclass(frozen=True)
class Use:
    """One extractor on one modality.

    Args:
        source: The preprocessed modality.
        spec: The extractor's name and options, as typed.
        extractor: The extractor.
    """

    source: str
    spec: Spec
    extractor: Extractor


class ExtractTransform:
    """Stored modalities in, one column of features for each use out.

    Args:
        uses: Extractors by the name of the modality they make.
        inputs: The preprocessed modalities they read.
        dtype: Data type of the features: float32 or float16.
        runtime: Its batch size, precision, seed and ``compiled`` affect the features of networks.

    Attributes:
        precisions: The precision of each use that runs a network; by default that of ``runtime``.
    """

    stage: ClassVar[str] = "extract-features"
    version: ClassVar[int] = 2

    def __init__(
        self, uses: Mapping[str, Use], inputs: Mapping[str, ModalitySpec], dtype: str, runtime: Runtime
    ) -> None:
        self.uses = dict(uses)
        self.inputs = dict(inputs)
        self.dtype = dtype
        self.batch_size = runtime.batch_size
        self.precisions: dict[str, Precision] = dict.fromkeys(self.networks(), runtime.precision)
        self.seed = runtime.seed
        self.compiled = runtime.compiled and bool(self.precisions)
        self._specs: dict[str, ModalitySpec] = {}

    @classmethod
    def load(
        cls, config: Mapping[str, Any], states: Mapping[str, State], inputs: Mapping[str, ModalitySpec]
    ) -> ExtractTransform:
        """Make the transform that ``config`` and ``states`` describe.

        Raises:
            MmcliError: An extractor has another version, or a file that it reads has changed.
        """
        uses = {}
        for name, part in config["uses"].items():
            told = parse_spec(part["spec"])
            places = dict(part["places"])
            argument = places.pop(_ARGUMENT, told.argument)
            spec = Spec(told.name, argument, {**told.options, **places})
            kind = inputs[part["source"]].kind
            registry = ENCODERS if told.name in ENCODERS.names() else EXTRACTORS[kind]
            registry.check_origin(told.name, part.get("plugin"))
            extractor = make_extractor(inputs[part["source"]], spec, config["seed"])
            if part["version"] != extractor.version:
                raise MmcliError(
                    f"{name}: made by version {part['version']} of {spec}, but this mmcli has version "
                    f"{extractor.version}, whose features differ; run the chain again from extract-features"
                )
            if name in states:
                extractor.load_state(states[name])
            if extractor.assets() != part["assets"]:
                raise MmcliError(
                    f"{spec}: its file has changed since these features were made; restore the original file"
                )
            uses[name] = Use(part["source"], spec, extractor)
        compiled = config.get("compiled", False)
        runtime = Runtime(batch_size=config["batch_size"], seed=config["seed"], compiled=compiled)
        transform = cls(uses, inputs, config["dtype"], runtime)
        transform.precisions |= {name: config["uses"][name]["precision"] for name in transform.precisions}
        return transform

    def config(self) -> dict[str, Any]:
        """Return each use with the hashes of its files, and the options that the features depend on."""
        return {
            "uses": {
                name: {
                    "source": use.source,
                    **_spec_and_places(use),
                    "version": use.extractor.version,
                    "options": _options(use.extractor),
                    "assets": use.extractor.assets(),
                    **({"precision": self.precisions[name]} if name in self.precisions else {}),
                    **registry_for(self.inputs[use.source].kind, use.spec.name).plugin_of(use.spec.name),
                }
                for name, use in self.uses.items()
            },
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "seed": self.seed,
            **({"compiled": True} if self.compiled else {}),
        }

    def states(self) -> dict[str, State]:
        """Return the state of each fitted extractor."""
        return {name: use.extractor.state() for name, use in self.uses.items() if use.extractor.fitted}

    def networks(self) -> dict[str, Use]:
        """Return the uses that run a network."""
        return {name: use for name, use in self.uses.items() if runs_network(use.extractor)}

    def modalities(self) -> dict[str, ModalitySpec]:
        """Return the modalities it makes."""
        for name, use in self.uses.items():
            if name not in self._specs:
                self._specs[name] = self._make_spec(name, use)
        return self._specs

    def fit(self, train: Callable[[str], Iterable[Column]], learnt: Mapping[str, tuple[str, State]]) -> dict[str, str]:
        """Fit the extractors that need it to the train rows; return the hash of each one's training data.

        Args:
            train: Iterates over a modality's columns of the train rows that have it; called several times.
            learnt: The fitted states of an earlier run, each with the hash of its training data; reused if that is
                unchanged.
        """
        hashes: dict[str, str] = {}
        for name, use in self.uses.items():
            if not use.extractor.fitted:
                continue
            registry = registry_for(self.inputs[use.source].kind, use.spec.name)
            code = [use.extractor.version, _options(use.extractor), *registry.code_of(use.spec.name)]
            learns_from = hashlib.sha256(fingerprint(code).encode())
            for column in train(use.source):
                learns_from.update(column.key.tobytes())
            hashes[name] = learns_from.hexdigest()
            before = learnt.get(name)
            if before is not None and before[0] == hashes[name]:
                use.extractor.load_state(before[1])
            else:
                use.extractor.fit(self.inputs[use.source], train(use.source))
        self._specs = {}
        return hashes

    def apply(self, batch: Batch, runtime: Runtime, earlier: Lookup) -> Batch:
        """Return the batch with a column of features for each use."""
        runtime = replace(runtime, batch_size=self.batch_size, seed=self.seed, compiled=self.compiled)
        columns = dict(batch.columns)
        ledger = list(batch.ledger)
        for name, use in self.uses.items():
            here = replace(runtime, precision=self.precisions.get(name, "float32"))
            columns[name] = self._column(name, use, batch.columns[use.source], here, earlier)
            if name != use.source:
                ledger += [replace(entry, modality=name) for entry in batch.ledger if entry.modality == use.source]
        return Batch(batch.rows, columns, ledger, batch.cells)

    def expected(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Return the presence and keys of the columns that ``apply`` would make, without their values."""
        found = {}
        for name, use in self.uses.items():
            source = columns[use.source]
            found[name] = Column({}, source.present, keys_beside(self.modalities()[name].fingerprint, source))
        return found

    def _column(self, name: str, use: Use, column: Column, runtime: Runtime, earlier: Lookup) -> Column:
        spec = self.modalities()[name]
        present = np.flatnonzero(column.present)
        keys = keys_beside(spec.fingerprint, column)
        items: list[Array | None] = [None] * len(column)
        missing = []
        for row in present:
            position = earlier.position(name, keys[row].tobytes())
            if position is None:
                missing.append(row)
            else:
                items[row] = earlier.item(name, position)[""]
        if missing:
            rows = np.array(missing)
            features = use.extractor.extract(self.inputs[use.source], column.look(rows), runtime)
            for place, row in enumerate(rows):
                items[row] = features.item(place)
        return Column({"": assemble(spec.main, items)}, column.present.copy(), keys)

    def _make_spec(self, name: str, use: Use) -> ModalitySpec:
        source = self.inputs[use.source]
        learnt = use.extractor.state().digest() if use.extractor.fitted else ""
        identity = [
            source.kind, use.spec.name, use.extractor.version, _options(use.extractor), use.extractor.assets(),
            learnt, self.dtype,
        ]  # fmt: skip
        if name in self.precisions:
            identity += [self.batch_size, self.precisions[name], self.seed, *(["compiled"] if self.compiled else [])]
        identity += registry_for(source.kind, use.spec.name).code_of(use.spec.name)
        return ModalitySpec(
            kind=source.kind, source=source.source, extractor=str(use.spec), fingerprint=fingerprint(identity),
            fields={"": replace(use.extractor.output(source), dtype=self.dtype)}, scaling=use.extractor.scaling,
        )  # fmt: skip


def _spec_and_places(use: Use) -> dict[str, Any]:
    """Return the spec as typed, and separately its options that are paths of files."""
    assets = use.extractor.assets()
    places = {name: value for name, value in use.spec.options.items() if name in assets}
    rest = {name: value for name, value in use.spec.options.items() if name not in assets}
    argument = use.spec.argument
    if argument is not None and ENCODERS.argument_is_place(use.spec.name):
        places[_ARGUMENT], argument = argument, None
    return {"spec": str(Spec(use.spec.name, argument, rest)), "places": places}


def _options(extractor: Extractor) -> dict[str, Any]:
    """Return an extractor's options and values, without paths of files, whose hashes count instead."""
    assets = extractor.assets()
    found = {name: getattr(extractor, name) for name in options_of(type(extractor)) if name not in assets}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
