"""Formats the options of registered names as they are typed."""

from __future__ import annotations

from mmcli.errors import MmcliError
from mmcli.registry import Registry, options_of

_GIVEN = ("seed", "link", "inner")
"""Keyword arguments that are not typed, or have their own option."""


def tell_options(registry: Registry, name: str) -> str:
    """Return an entry's options with their defaults, as they are typed: ``dim=64, heads=4``."""
    try:
        kind = registry.load(name)
    except MmcliError as error:
        return str(error)
    shown = {key: parameter.default for key, parameter in options_of(kind).items() if key not in _GIVEN}
    return ", ".join(f"{key}={as_typed(value)}" for key, value in shown.items())


def as_typed(value: object) -> str:
    """Return a value as it is typed."""
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
