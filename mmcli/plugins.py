"""Names that other packages and files bring: found by entry points, or in files that a person names.

An entry point stands in a group such as ``mmcli.fusion``; its name is what people type, of an extractor or an
augmentation ``KIND.NAME``, and its value a class; that of an augmentation is a function. A file says the same in a
constant: ``MMCLI = {"fusion": {"mine": Mine}}``. Nothing is loaded that a person has not installed or named: what an
artifact says is only compared with it.
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
    """Where a name comes from that is not mmcli's own.

    Args:
        name: Of the file, or of the distribution.
        sha256: Of the file; "" for a distribution, whose class says by its ``version`` when it computes otherwise.
    """

    name: str
    sha256: str = ""

    def to_json(self) -> dict[str, str]:
        """Return what records hold."""
        return {"file": self.name, "sha256": self.sha256} if self.sha256 else {"package": self.name}


@dataclass(frozen=True)
class Entry:
    """A name that a plugin brings.

    Args:
        module: Where the class or function is: a name to import, or the file's loaded module.
        class_name: Its name.
        origin: Who brings it.
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
    """The files that are used in this process, by their hashes, and what they bring, by group."""

    hashes: dict[str, str] = field(default_factory=dict)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)


_FILES = _Files()


def use_plugins(paths: Iterable[str | Path]) -> None:
    """Run files and take the names that they bring, for the rest of the process.

    Raises:
        UsageError: One is not there, fails, or brings what there can be none of.
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
        raise UsageError(f"--plugin {path}: no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"--plugin {path}: {type(error).__name__}: {error}") from error
    return module


def entries_of(group: str, what: str, own: Collection[str], prefix: str = "") -> dict[str, Entry]:
    """Return what plugins bring of a group, by name; nothing is imported for it.

    Args:
        group: Such as ``fusion``.
        what: What one of them is called, such as ``fusion method``.
        own: The names that mmcli has itself.
        prefix: Only of names that begin with it, which are returned without.

    Raises:
        MmcliError: A plugin brings a name that is mmcli's own.
    """
    found = {**_of_packages(group), **_FILES.entries.get(group, {})}
    named = {name.removeprefix(prefix): entry for name, entry in found.items() if name.startswith(prefix)}
    for name in named.keys() & set(own):
        raise MmcliError(f"{named[name].origin.name}: {what} {name!r} is mmcli's own; take another name")
    return named


@cache
def _of_packages(group: str) -> dict[str, Entry]:
    found: Iterable[EntryPoint] = entry_points(group=f"mmcli.{group}")
    return {
        each.name: Entry(each.module, each.attr, Origin(each.dist.name if each.dist is not None else each.module))
        for each in found
    }


def check_origin(what: str, name: str, recorded: Mapping[str, str] | None, found: Origin | None) -> None:
    """Refuse a name that is not brought by whom an artifact says it was.

    Args:
        what: Of what the name is one, such as ``fusion method``.
        name: It.
        recorded: What the artifact says; None for mmcli's own.
        found: Who brings it now; None for mmcli itself, or for no one.

    Raises:
        MmcliError: It is not the same; the message says what to install or name.
    """
    now = None if found is None else found.to_json()
    if recorded == now:
        return
    told = f"{what} {name!r}"
    if recorded is None:
        assert found is not None
        raise MmcliError(f"{told} was mmcli's own when this was made, and comes from {found.name} now; leave that out")
    if "file" not in recorded:
        package = recorded.get("package", "")
        raise MmcliError(f"{told} came from the package {package!r} when this was made: pip install {package}")
    file, digest = recorded["file"], recorded.get("sha256", "")
    if found is None or not found.sha256:
        raise MmcliError(
            f"{told} came from {file} (SHA-256 {digest[:12]}…) when this was made: name it, --plugin {file}"
        )
    raise MmcliError(
        f"{told} came from {file} with the SHA-256 {digest[:12]}… when this was made, {found.name} has "
        f"{found.sha256[:12]}…: name the file as it was then, or make this again"
    )
