"""list: the names that options take, without importing what they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from mmcli.registry import ENCODERS, EXTRACTORS, FUSIONS, KINDS, TASKS, parse_spec
from mmcli.stages.extractors import DEFAULT_EXTRACTORS, names_for, registry_for


@dataclass(frozen=True)
class Name:
    """A registered name: of which registry, for which kinds, and what it is."""

    what: str
    kind: str
    name: str
    summary: str


def registered_names(what: str) -> list[Name]:
    """Return the names of ``extractors``, ``fusion``, ``encoders``, ``tasks``, or ``all``."""
    found: list[Name] = []
    if what in ("extractors", "all"):
        for kind in KINDS:
            for name in names_for(kind) if EXTRACTORS[kind].names() else []:
                default = " (default)" if name in _defaults(kind) else ""
                found.append(Name("extractors", kind, name, registry_for(kind, name).summary(name) + default))
    if what in ("fusion", "all"):
        found += [
            Name("fusion", FUSIONS.constant(name, "kind"), name, FUSIONS.summary(name)) for name in FUSIONS.names()
        ]
    if what in ("encoders", "all"):
        found += [
            Name("encoders", ", ".join(ENCODERS.constant(name, "kinds", ())), name, ENCODERS.summary(name))
            for name in ENCODERS.names()
        ]
    if what in ("tasks", "all"):
        found += [Name("tasks", "", name, TASKS.summary(name)) for name in TASKS.names()]
    return found


def _defaults(kind: str) -> set[str]:
    return {parse_spec(text).name for text in DEFAULT_EXTRACTORS[kind]}
