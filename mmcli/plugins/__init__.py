"""Plugins: classes from installed packages (entry points) and from files given with ``--plugin``.

An entry point is in a group such as ``mmcli.fusion``. Its name is what users type (``KIND.NAME`` for extractors and
augmentations) and its value is a class (a function for augmentations). A file lists the same in a constant:
``MMCLI = {"fusion": {"mine": Mine}}``. Only what the user installed or named is ever loaded; records in artifacts are
only compared with it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.metadata import entry_points

from mmcli.errors import MmcliError
from mmcli.plugins.files import FILES, KINDS, Plugin, check_name, use_plugins
from mmcli.plugins.origin import Entry, Origin, check_origin, identity_of, is_origin

__all__ = [
    "KINDS",
    "Entry",
    "Origin",
    "Plugin",
    "check_origin",
    "entries_of",
    "has_entries",
    "identity_of",
    "is_origin",
    "use_plugins",
]

_RIVALS = {"extractors": "encoders", "encoders": "extractors"}
"""Groups whose names share an option."""


def entries_of(group: str, what: str, own: Collection[str], prefix: str = "") -> dict[str, Entry]:
    """Return the plugin entries of a group by name, without importing them.

    Args:
        group: Such as ``fusion``.
        what: What an entry is called in messages, such as ``fusion method``.
        own: The names of mmcli's own entries.
        prefix: Return only names with this prefix, without it.

    Raises:
        MmcliError: Two plugins, or a plugin and mmcli, use the same name.
    """
    found: dict[str, Entry] = {}
    for whole, entry in _all_of(group):
        name = whole.removeprefix(prefix)
        if not whole.startswith(prefix):
            continue
        if name in own:
            raise MmcliError(f"{entry.origin.name}: {what} {name!r} is one of mmcli's own; rename it")
        if name in found:
            both = f"{found[name].origin.name} and by {entry.origin.name}"
            raise MmcliError(f"{what} {name!r} is defined by {both}; leave one out")
        found[name] = entry
    rivals = {whole.rpartition(".")[2]: entry for whole, entry in _all_of(_RIVALS.get(group, ""))}
    for name in sorted(found.keys() & rivals.keys()):
        both = f"{found[name].origin.name}, and {_RIVALS[group]} by {rivals[name].origin.name}"
        raise MmcliError(f"{what} {name!r} is defined by {both}, and one option takes both; leave one out")
    return found


def has_entries(group: str) -> bool:
    """Return whether a group has plugin entries."""
    return bool(_all_of(group))


def _all_of(group: str) -> list[tuple[str, Entry]]:
    """Return the names and entries of a group, packages first."""
    of_files = [plugin.entries.get(group, {}) for plugin in FILES.values()]
    return [pair for entries in (_of_packages(group), *of_files) for pair in entries.items()]


@cache
def _of_packages(group: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for point in entry_points(group=f"mmcli.{group}"):
        origin = Origin(point.value) if point.dist is None else Origin(point.dist.name, version=point.dist.version)
        check_name(origin.name, group, point.name)
        module, _, class_name = point.value.replace(" ", "").partition(":")
        if not class_name.isidentifier():
            raise MmcliError(f"{origin.name}: {group} {point.name!r} is {point.value!r}, expected package.module:Class")
        if point.name in found:
            raise MmcliError(
                f"{group} {point.name!r} is defined by {found[point.name].origin.name} and by {origin.name}; "
                "uninstall one"
            )
        found[point.name] = Entry(module, class_name, origin)
    return found
