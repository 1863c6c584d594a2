"""list: lists the names that options take, importing code only to show its options."""

from __future__ import annotations

from dataclasses import dataclass

from mmcli import augmentation
from mmcli.chain.extractors import DEFAULT_EXTRACTORS, names_for, registry_for
from mmcli.context import RunContext, takes
from mmcli.errors import unknown_name
from mmcli.models.estimators import FAMILY, estimators
from mmcli.plugins import KINDS
from mmcli.registry import ENCODERS, EXTRACTORS, FUSIONS, TASKS, Registry, parse_spec
from mmcli.stages.cards import Card, encoder_cards, encoder_names, kinds_of_encoder
from mmcli.stages.config import LISTS, ListConfig
from mmcli.stages.told_options import TASKS_OF, tell_estimator, tell_options

_KINDS_OF_FUSION = ("static", "learnt", "late")
_NETWORK = "Encoders, fusion and head, trained by gradient descent (default); see --hidden, --dropout, --epochs …"


@dataclass(frozen=True)
class Name:
    """A registered name with its registry, kinds and summary, and its options if requested."""

    what: str
    kind: str
    name: str
    summary: str
    options: str | None = None


@takes(ListConfig)
def list_names(what: str, config: ListConfig, context: RunContext) -> list[Name] | list[Card]:
    """Return the names that options take; with ``verbose`` and ``what`` = ``encoders``, their cards."""
    del context
    if config.verbose and what == "encoders":
        return encoder_cards()
    return registered_names(what, config.verbose)


def registered_names(what: str, verbose: bool = False) -> list[Name]:
    """Return the names in one of ``LISTS``; with ``verbose`` their options are included.

    Raises:
        UsageError: There is no such list.
    """
    if what not in LISTS:
        raise unknown_name("list", what, LISTS)
    found: list[Name] = []
    if what in ("extractors", "all"):
        for kind in KINDS:
            for name in names_for(kind) if EXTRACTORS[kind].names() else []:
                default = " (default)" if name in _defaults(kind) else ""
                registry = registry_for(kind, name)
                found.append(
                    Name("extractors", kind, name, registry.summary(name) + default, _told(registry, name, verbose))
                )
    if what in ("fusion", "all"):
        methods = [
            Name("fusion", FUSIONS.constant(name, "kind"), name, FUSIONS.summary(name), _told(FUSIONS, name, verbose))
            for name in FUSIONS.names()
        ]
        found += sorted(methods, key=lambda each: _KINDS_OF_FUSION.index(each.kind))
    if what in ("encoders", "all"):
        found += [
            Name("encoders", kinds_of_encoder(name), name, ENCODERS.summary(name), _told(ENCODERS, name, verbose))
            for name in encoder_names()
        ]
    if what in ("models", "all"):
        told = "" if verbose else None
        found.append(Name("models", "all tasks but clustering and retrieval", "network", _NETWORK, told))
        for name, entry in sorted(estimators().items(), key=lambda each: each[1].roles):
            tasks = ", ".join(TASKS_OF[role] for role in entry.roles)
            options = tell_estimator(entry) if verbose else None
            found.append(Name("models", tasks, f"{FAMILY}:{name}", entry.summary, options))
    if what in ("tasks", "all"):
        found += [Name("tasks", "", name, TASKS.summary(name), _told(TASKS, name, verbose)) for name in TASKS.names()]
    if what in ("augmentations", "all"):
        for kind in KINDS:
            for name in augmentation.names_for(kind):
                auto = " (auto)" if name in augmentation.default_names(kind) else ""
                summary = augmentation.summary_of(kind, name) + auto
                found.append(Name("augmentations", kind, name, summary, "" if verbose else None))
    return found


def _told(registry: Registry, name: str, verbose: bool) -> str | None:
    return tell_options(registry, name) if verbose else None


def _defaults(kind: str) -> set[str]:
    return {parse_spec(text).name for text in DEFAULT_EXTRACTORS[kind]}
