"""Plugins: implementations from other packages, found by entry points, or from files named with ``--plugin``.

An entry point is in a group such as ``mmcli.fusion``. Its name is the name that users type, or ``KIND.NAME`` for
extractors and augmentations; its value is a class, or a function for augmentations. A file declares the same in a
constant: ``MMCLI = {"fusion": {"mine": Mine}}``. Only what the user has installed or named is ever loaded; records in
artifacts are only compared with it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from mmcli.errors import MmcliError, UsageError

GROUPS = ("extractors", "encoders", "fusion", "tasks", "augmentations", "estimators")
CONSTANT = "MMCLI"


@dataclass(frozen=True)
class Origin:
    """The plugin that a name comes from.

    Args:
        name: The name of the file or of the distribution.
        sha256: The hash of the file; "" for a distribution, whose classes use ``version`` to mark changed results.
    """

    name: str
    sha256: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the form that records hold."""
        return {"file": self.name, "sha256": self.sha256} if self.sha256 else {"package": self.name}


@dataclass(frozen=True)
class Entry:
    """A class or function from a plugin.

    Args:
        module: The name of the module to import, or the loaded module of a file.
        class_name: The name of the class or function.
        origin: The plugin.
    """

    module: str | ModuleType
    class_name: str
    origin: Origin

    def load(self) -> Any:
        """Import and return the class or function."""
        module = importlib.import_module(self.module) if isinstance(self.module, str) else self.module
        return getattr(module, self.class_name)


@dataclass
class _Files:
    """The plugin files loaded in this process, by hash, and their entries, by group."""

    hashes: dict[str, str] = field(default_factory=dict)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)


_FILES = _Files()


def use_plugins(paths: Iterable[str | Path]) -> None:
    """Load plugin files and register their entries for the rest of the process.

    Raises:
        UsageError: A file is missing, fails, or declares an unknown group.
    """
    for path in map(Path, paths):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"--plugin {path}: {error.strerror}") from None
        digest = hashlib.sha256(content).hexdigest()
        if digest in _FILES.hashes:
            continue
        module = _loaded(path, digest)
        brought = getattr(module, CONSTANT, None)
        if not isinstance(brought, Mapping) or not brought:
            raise UsageError(f'--plugin {path}: no {CONSTANT}, such as {CONSTANT} = {{"fusion": {{"name": Class}}}}')
        for group, classes in brought.items():
            if group not in GROUPS:
                raise UsageError(f"--plugin {path}: {CONSTANT} has {group!r}, expected {', '.join(GROUPS)}")
            for name, kind in classes.items():
                entry = Entry(module, kind.__name__, Origin(path.name, digest))
                _FILES.entries.setdefault(group, {})[name] = entry
        _FILES.hashes[digest] = path.name


def _loaded(path: Path, digest: str) -> ModuleType:
    name = f"mmcli_plugin_{digest[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--plugin {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"--plugin {path}: {type(error).__name__}: {error}") from error
    return module


def entries_of(group: str, what: str, own: Collection[str], prefix: str = "") -> dict[str, Entry]:
    """Return the plugins' entries of a group, by name, without importing them.

    Args:
        group: The group, such as ``fusion``.
        what: What an entry is called, such as ``fusion method``.
        own: The names of mmcli itself.
        prefix: Return only names with this prefix, and remove it.

    Raises:
        MmcliError: A plugin uses a name of mmcli itself.
    """
    found = {**_of_packages(group), **_FILES.entries.get(group, {})}
    named = {name.removeprefix(prefix): entry for name, entry in found.items() if name.startswith(prefix)}
    for name in named.keys() & set(own):
        raise MmcliError(f"{named[name].origin.name}: mmcli itself has a {what} {name!r}; choose another name")
    return named


@cache
def _of_packages(group: str) -> dict[str, Entry]:
    found: Iterable[EntryPoint] = entry_points(group=f"mmcli.{group}")
    return {
        each.name: Entry(each.module, each.attr, Origin(each.dist.name if each.dist is not None else each.module))
        for each in found
    }


def check_origin(what: str, name: str, recorded: Mapping[str, str] | None, found: Origin | None) -> None:
    """Check that a name comes from the plugin recorded in an artifact.

    Args:
        what: What the name stands for, such as ``fusion method``.
        name: The name.
        recorded: The recorded plugin; None for mmcli itself.
        found: The current plugin; None for mmcli itself, or if the name is unknown.

    Raises:
        MmcliError: They differ; the message says what to install or name.
    """
    now = None if found is None else found.to_json()
    if recorded == now:
        return
    told = f"{what} {name!r}"
    if recorded is None:
        assert found is not None
        raise MmcliError(
            f"{told} was part of mmcli when this was made, and now comes from {found.name}; run without that plugin"
        )
    if "file" not in recorded:
        package = recorded.get("package", "")
        raise MmcliError(f"{told} came from the package {package!r} when this was made: pip install {package}")
    file, digest = recorded["file"], recorded.get("sha256", "")
    if found is None or not found.sha256:
        raise MmcliError(
            f"{told} came from {file} (SHA-256 {digest[:12]}…) when this was made: name it with --plugin {file}"
        )
    raise MmcliError(
        f"{told} came from {file} with the SHA-256 {digest[:12]}… when this was made, but {found.name} has "
        f"{found.sha256[:12]}…: name the original file, or make this again"
    )
