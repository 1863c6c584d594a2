"""Plugin files: runs the files given with ``--plugin`` and checks their ``MMCLI`` constant."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mmcli.errors import UsageError
from mmcli.plugins.origin import Entry, Origin

KINDS = ("text", "image", "audio", "video", "table", "tensor")
GROUPS = ("extractors", "encoders", "fusion", "tasks", "augmentations", "estimators")
CONSTANT = "MMCLI"
_OF_A_KIND = ("extractors", "augmentations")


@dataclass(frozen=True)
class Plugin:
    """A plugin file that was run.

    Args:
        name: File name.
        sha256: Of its content.
        entries: Its entries by group and name.
    """

    name: str
    sha256: str
    entries: Mapping[str, Mapping[str, Entry]]


FILES: dict[Path, Plugin] = {}
"""The plugin files of this process."""


def use_plugins(paths: Iterable[str | Path]) -> list[Plugin]:
    """Run plugin files and register their entries for the rest of the process.

    Raises:
        UsageError: A file does not exist, fails, or has an invalid ``MMCLI``.
    """
    return [_use(Path(path)) for path in paths]


def _use(path: Path) -> Plugin:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--plugin {path}: {error.strerror}") from None
    digest = hashlib.sha256(content).hexdigest()
    for known in FILES.values():
        if known.sha256 == digest:
            return known
    module = _run(path, content, digest)
    brought = getattr(module, CONSTANT, None)
    if not isinstance(brought, Mapping) or not brought:
        raise UsageError(f'--plugin {path}: no {CONSTANT}, such as {CONSTANT} = {{"fusion": {{"name": Class}}}}')
    origin = Origin(path.name, digest)
    entries = {group: _entries_in(f"--plugin {path}", group, named, origin) for group, named in brought.items()}
    plugin = FILES[path.resolve()] = Plugin(path.name, digest, entries)
    return plugin


class _Content(SourceFileLoader):
    """Loads exactly the bytes that were hashed, neither a newer file nor a cached ``.pyc``."""

    def __init__(self, name: str, path: Path, content: bytes) -> None:
        super().__init__(name, str(path))
        self.content = content

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled content."""
        del fullname
        code: CodeType = self.source_to_code(self.content, self.path)
        return code


def _run(path: Path, content: bytes, digest: str) -> ModuleType:
    name = f"mmcli_plugin_{digest[:16]}"
    loader = _Content(name, path, content)
    spec = spec_from_file_location(name, path, loader=loader)
    if spec is None or path.suffix != ".py":
        raise UsageError(f"--plugin {path}: not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"--plugin {path}: {type(error).__name__}: {error}") from error
    return module


def _entries_in(where: str, group: str, named: Any, origin: Origin) -> dict[str, Entry]:
    if group not in GROUPS:
        raise UsageError(f"{where}: {CONSTANT} has {group!r}, expected {', '.join(GROUPS)}")
    if not isinstance(named, Mapping):
        raise UsageError(f"{where}: {CONSTANT}[{group!r}] is not a dict of names and classes")
    for name, made in named.items():
        check_name(where, group, name)
        what, form = ("function", FunctionType) if group == "augmentations" else ("class", type)
        if not isinstance(made, form):
            raise UsageError(f"{where}: {group} {name!r} is not a {what}: {made!r}")
    return {name: Entry(str(made.__module__), made.__name__, origin, made) for name, made in named.items()}


def check_name(where: str, group: str, name: Any) -> None:
    """Check that a name can be typed in an option.

    Raises:
        UsageError: It cannot.
    """
    kind, dot, own = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    if group in _OF_A_KIND and kind not in KINDS:
        raise UsageError(f"{where}: {group} {name!r}: expected KIND.NAME with a KIND of {', '.join(KINDS)}")
    if (dot and group not in _OF_A_KIND) or not re.fullmatch(r"[A-Za-z]\w*", own, re.ASCII):
        raise UsageError(f"{where}: {group} {name!r}: expected a name of letters, digits and _")
