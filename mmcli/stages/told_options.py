"""Formats the options of registered names as they are typed."""

from __future__ import annotations

from collections.abc import Mapping

from mmcli.errors import MmcliError
from mmcli.models.estimators import Estimator, Role, options_of_role
from mmcli.registry import Registry, options_of

TASKS_OF: Mapping[Role, str] = {"classes": "classification", "numbers": "regression", "clusters": "clustering"}
"""What an estimator is for, by role."""
_CHOSEN = {"n_clusters": "n_clusters=N (default: the best silhouette of 2 to 20)"}
_GIVEN = ("seed", "link", "inner")
"""Keyword arguments that are not typed, or have their own option."""


def tell_options(registry: Registry, name: str) -> str:
    """Return an entry's options with their defaults, as they are typed: ``dim=64, heads=4``."""
    try:
        kind = registry.load(name)
    except MmcliError as error:
        return str(error)
    shown = {key: parameter.default for key, parameter in options_of(kind).items() if key not in _GIVEN}
    return _joined(shown)


def tell_estimator(entry: Estimator) -> str:
    """Return an estimator's options with their defaults, those that differ between its tasks separately."""
    by_role = {role: options_of_role(entry, role) for role in entry.roles}
    shared = dict.fromkeys(key for own in by_role.values() for key in own)
    for key in list(shared):
        values = [own.get(key, _GIVEN) for own in by_role.values()]
        if any(value != values[0] for value in values):
            del shared[key]
        else:
            shared[key] = values[0]
    parts = [_joined(shared)]
    for role, own in by_role.items():
        rest = _joined({key: value for key, value in own.items() if key not in shared})
        parts.append(f"for {TASKS_OF[role]}: {rest}" if rest else "")
    return "; ".join(filter(None, parts))


def _joined(options: Mapping[str, object]) -> str:
    return ", ".join(
        _CHOSEN.get(key) or f"{key}={as_typed(value)}" for key, value in options.items() if value != "deprecated"
    )


def as_typed(value: object) -> str:
    """Return a value as it is typed."""
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
